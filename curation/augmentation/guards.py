"""Guards on a new text: neither a copy nor off topic, and everything that may carry the label still there."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from curation.augmentation.negation import negations
from curation.augmentation.quantities import carries_a_number, quantities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

QUOTED = re.compile(r"`[^`]+`")
CODE = frozenset("_\\<>{}[]=|/#+")
FLAG = re.compile(r"--?[^\W\d]")
"""How an option of a command begins."""
OPERATOR = re.compile(
    r"(?<=\d)\s*([-*^%x]{1,2})\s*(?=[\d(.])|(?<!\S)(?<=[a-z] )([-*^])\s+(?=[a-z](?!\w))", re.IGNORECASE
)
"""What stands between two numbers or two letters, beside the signs of `CODE`."""
SIGN_KINDS = ("So", "Sm")
WRITTEN_OUT = "°\u2212"
"""Signs that `quantities` compares."""
SPEECH = re.compile(
    r"\"([^\"\n]+)\"|\u201c([^\u201d\n]+)\u201d|\u00ab([^\u00bb\n]+)\u00bb|\u201e([^\u201c\u201d\n]+)[\u201c\u201d]"
    r"|(?<!\w)['\u2018]([^'\u2018\u2019\n]+)['\u2019](?!\w)"
)
DOTTED = re.compile(r"[^\W\d][\w-]*(?:\.[\w-]+)*\.[^\W\d_]{2,}|[\w-]+\.[a-z][a-z\d]{1,4}", re.IGNORECASE)
"""A domain or the name of a file: a dot inside, and letters behind the last one."""
SIGNS = re.compile(r"[\d_`/@\\<>{}\[\]]")
BEGINNING = re.compile(
    r"(?:[.?!:\u2026][\"'\u201d\u2019)]*\s+|[\n\u3002\uff01\uff1f])[\s\"'(\u201c\u2018\u00ab\[*\u2022>-]*"
)
WORD = re.compile(r"\w[\w'\u2019-]*")
LETTERS = re.compile(r"\w+")
POSSESSIVE = re.compile(r"['\u2019]s?\Z")
PRONOUN = re.compile(r"i(?:['\u2019]\w+)?\Z")


class Band(NamedTuple):
    """How similar a new text may be to the old one, from 0 to 1, both ends included."""

    lowest: float
    highest: float


NOISE = Band(0.5, 1.0)
PARAPHRASE = Band(0.15, 0.85)


def refused(old: str, new: str, band: Band) -> str | None:
    """Why a new text may not stand for an old one; None where it may.

    Args:
        old: The text of the parent.
        new: The text of the child.
        band: How similar they may be.

    Returns:
        `copy`, `off topic`, or what was lost, added or changed: `URLs`, `code`, `signs`, `numbers` (in
        another order, too), `negation`, `quotes`, `entities`.
    """
    near = similarity(old, new)
    if old == new or near > band.highest or not new.strip():
        return "copy"
    if near < band.lowest:
        return "off topic"
    for name, found in KEPT.items():
        if found(old) != found(new):
            return name
    if _unsaid(old, new) or _unsaid(new, old):
        return "quotes"
    return "entities" if _names(old) - _words(new) or _names(new) - _words(old) else None


def similarity(a: str, b: str) -> float:
    """Share of character 3-grams that two texts have in common (Dice), case and spacing aside."""
    left, right = _grams(a), _grams(b)
    return 2 * (left & right).total() / max(1, left.total() + right.total())


def protected(word: str) -> bool:
    """Whether a word carries so much that it takes no typing error and has no synonym."""
    return bool(SIGNS.search(word) or negations(word) or carries_a_number(word))


def outside_quotes(pieces: Sequence[str]) -> list[int]:
    """The numbers of the pieces of a text that begin outside quotation marks."""
    text = SPEECH.sub(lambda found: "\0" * len(found[0]), "".join(pieces))
    starts = accumulate(map(len, pieces), initial=0)
    return [
        i for i, (_, start) in enumerate(zip(pieces, starts, strict=False)) if text[start : start + 1] != "\0"
    ]


def _grams(text: str) -> Counter[str]:
    padded = f"  {' '.join(text.casefold().split())} "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2))


def _addresses(text: str) -> Counter[str]:
    """Words that are an address on the web or of a mailbox, a user's, a domain, or the name of a file."""
    return Counter(w for w in _pieces(text) if "://" in w or "@" in w[:-1] or DOTTED.fullmatch(w))


def _code(text: str) -> Counter[str]:
    """What stands between backticks, words with a sign that prose has not, options, and operators."""
    words = (w for w in _pieces(text) if "()" in w or CODE & set(w) or FLAG.match(w))
    operators = (found[1] or found[2] for found in OPERATOR.finditer(text))
    return Counter([*QUOTED.findall(text), *words, *map(str.casefold, operators)])


def _signs(text: str) -> Counter[str]:
    """Emoji, and signs of mathematics and the like."""
    signs = (c for c in text if not c.isascii() and c not in WRITTEN_OUT)
    return Counter(c for c in signs if unicodedata.category(c) in SIGN_KINDS)


KEPT: dict[str, Callable[[str], object]] = {
    "URLs": _addresses,
    "code": _code,
    "signs": _signs,
    "numbers": quantities,
    "negation": negations,
}
"""What must be found the same in both texts, by the name of its guard."""


def _pieces(text: str) -> Iterator[str]:
    """Words without the punctuation around them; a bracket goes where its other half is not in the word."""
    for piece in text.split():
        word = piece.strip(".,;:?!'\"\u201c\u201d")
        if word.count("(") != word.count(")"):
            word = word.strip("().,;:?!'\"")
        elif word[:1] + word[-1:] == "()" and len(word) > 2:
            word = word[1:-1].strip(".,;:?!'\"")
        yield word


def _unsaid(text: str, other: str) -> bool:
    """Whether something that stands in quotation marks in a text is not in another, case and signs aside."""
    said = (_plain(next(filter(None, found.groups()))) for found in SPEECH.finditer(text))
    return any(words not in _plain(other) for words in said)


def _plain(text: str) -> str:
    return " ".join(["", *LETTERS.findall(text.casefold()), ""])


def _names(text: str) -> set[str]:
    """Words with a capital that no sentence begins with, and such as NASA or PayPal anywhere."""
    found: set[str] = set()
    for sentence in BEGINNING.split(text):
        words = WORD.findall(sentence)
        found |= {w for i, w in enumerate(words) if (i and w[0].isupper()) or any(map(str.isupper, w[1:]))}
    return {_stem(name) for name in found if not PRONOUN.match(name.casefold())}


def _words(text: str) -> set[str]:
    return {_stem(word) for word in WORD.findall(text)}


def _stem(word: str) -> str:
    return POSSESSIVE.sub("", word.casefold().rstrip("-"))
