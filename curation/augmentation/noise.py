"""Typing noise without a network: keyboard errors, case, spacing, punctuation and contractions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curation.augmentation.guards import PROTECTED

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from curation.augmentation.settings import Operation

CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "did not": "didn't",
    "is not": "isn't",
    "are not": "aren't",
    "will not": "won't",
    "cannot": "can't",
    "what is": "what's",
    "how is": "how's",
    "where is": "where's",
    "i am": "i'm",
    "i have": "i've",
    "it is": "it's",
    "you are": "you're",
}
KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
STAGGER = (0.0, 0.25, 0.75)
TYPOS = 2


def _neighbours() -> dict[str, str]:
    """The keys that touch each key."""
    places = {key: (x + STAGGER[y], y) for y, row in enumerate(KEYBOARD) for x, key in enumerate(row)}
    return {
        key: "".join(k for k, (a, b) in places.items() if k != key and abs(a - x) <= 1 and abs(b - y) <= 1)
        for key, (x, y) in places.items()
    }


NEIGHBOURS = _neighbours()


def noise(text: str, operation: Operation, rng: random.Random) -> str:
    """A text with one kind of typing noise; the text itself where the operation finds nothing to do.

    Args:
        text: The text.
        operation: What to do.
        rng: Where choices come from.
    """
    return OPERATIONS[operation](text, rng)


def _typo(text: str, rng: random.Random) -> str:
    """Two words at most, never the first one, each with one error of a finger."""
    pieces = re.split(r"(\s+)", text)
    free = [i for i, word in enumerate(pieces) if i and _is_free(word)]
    for i in rng.sample(free, min(len(free), TYPOS)):
        pieces[i] = _slip(pieces[i], rng)
    return "".join(pieces)


def _is_free(word: str) -> bool:
    """Whether an error leaves the word readable, and nothing that carries a label is in it."""
    return len(word) > 4 and word.isalpha() and word.islower() and not PROTECTED.search(word)


def _slip(word: str, rng: random.Random) -> str:
    """One letter swapped with the next, dropped, doubled, or taken from the key beside."""
    at = rng.randrange(1, len(word) - 2)
    before, letter, after = word[:at], word[at], word[at + 1 :]
    beside = rng.choice(NEIGHBOURS.get(letter, letter))
    return rng.choice(
        [
            before + after[0] + letter + after[1:],
            before + after,
            before + 2 * letter + after,
            before + beside + after,
        ]
    )


def _case(text: str, rng: random.Random) -> str:
    return rng.choice([str.lower, str.upper, str.capitalize])(text)


def _spacing(text: str, rng: random.Random) -> str:
    """One gap doubled, or closed where it follows a comma."""
    gaps = [m.start() for m in re.finditer(r"(?<=\S) (?=\S)", text)]
    if not gaps:
        return text
    at = rng.choice(gaps)
    closed = text[at - 1] in ",;" and rng.random() < 0.5
    return text[:at] + ("" if closed else "  ") + text[at + 1 :]


def _punctuation(text: str, rng: random.Random) -> str:
    """The end mark dropped, repeated or set apart; commas dropped where there is none."""
    end = re.search(r"(?<=\w)([?.!])$", text)
    if end:
        return text[: end.start()] + rng.choice(["", 2 * end[0], f" {end[0]}"])
    return re.sub(r"(?<=\D),(?= )", "", text)


def _contraction(text: str, rng: random.Random) -> str:
    """Every long form short, or every short form long."""
    pairs = list(CONTRACTIONS.items()) if rng.random() < 0.5 else [(b, a) for a, b in CONTRACTIONS.items()]
    for old, new in pairs:
        text = re.sub(rf"(?<!\w){old}(?!\w)", new, text)
        text = re.sub(rf"(?<!\w){old.capitalize()}(?!\w)", new.capitalize(), text)
    return text


OPERATIONS: dict[Operation, Callable[[str, random.Random], str]] = {
    "typo": _typo,
    "case": _case,
    "spacing": _spacing,
    "punctuation": _punctuation,
    "contraction": _contraction,
}
