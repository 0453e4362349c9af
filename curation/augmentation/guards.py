"""Guards on a new text: neither a copy nor off topic, and everything that may carry the label still there."""

from __future__ import annotations

import re
from collections import Counter
from typing import NamedTuple

QUOTED = re.compile(r"`[^`]+`")
CODE = frozenset("_\\<>{}[]=|/")
NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
NEGATION = re.compile(
    r"\b(?:not|no|nor|never|without|cannot|none|nobody|nothing|neither|nowhere)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
PROTECTED = re.compile(rf"\d|[_`/@\\<>{{}}\[\]]|{NEGATION.pattern}", re.IGNORECASE)
"""Words with these take no typing errors."""
ENTITY = re.compile(r"(?<![.?!:]\s)(?<!^)\b[A-Z][\w'-]*", re.MULTILINE)
PRONOUN = re.compile(r"I(?:'\w+)?\Z")


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
        `copy`, `off topic`, or what was lost or added: `URLs`, `code`, `numbers`, `negation`, `entities`.
    """
    near = similarity(old, new)
    if old == new or near > band.highest or not new.strip():
        return "copy"
    if near < band.lowest:
        return "off topic"
    for name, found in {"URLs": _addresses, "code": _code, "numbers": _numbers}.items():
        if found(old) != found(new):
            return name
    if len(NEGATION.findall(old)) != len(NEGATION.findall(new)):
        return "negation"
    return "entities" if _names(old) - _words(new) or _names(new) - _words(old) else None


def similarity(a: str, b: str) -> float:
    """Share of character 3-grams that two texts have in common (Dice), case and spacing aside."""
    left, right = _grams(a), _grams(b)
    return 2 * (left & right).total() / max(1, left.total() + right.total())


def _grams(text: str) -> Counter[str]:
    padded = f"  {' '.join(text.casefold().split())} "
    return Counter(padded[i : i + 3] for i in range(len(padded) - 2))


def _addresses(text: str) -> Counter[str]:
    """Words that are an address on the web or of a mailbox."""
    return Counter(w for w in _pieces(text) if "://" in w or w.startswith("www.") or "@" in w[1:-1])


def _code(text: str) -> Counter[str]:
    """What stands between backticks, and words with a sign that prose has not."""
    return Counter([*QUOTED.findall(text), *(w for w in _pieces(text) if "()" in w or CODE & set(w))])


def _numbers(text: str) -> Counter[str]:
    return Counter(NUMBER.findall(text))


def _pieces(text: str) -> list[str]:
    return [word.strip(".,;:?!'\"") for word in text.split()]


def _names(text: str) -> set[str]:
    """Words with a capital that no sentence begins with."""
    return {name.casefold() for name in ENTITY.findall(text) if not PRONOUN.fullmatch(name)}


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w[\w'-]*", text.casefold()))
