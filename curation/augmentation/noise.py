"""Typing noise without a network: keyboard errors, case, spacing, punctuation and contractions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from curation.augmentation.guards import outside_quotes, protected

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
SUBJECT = "i|you|he|she|it|we|they|this|that|these|those|there"
GOES_ON = r"(?= \w)"
"""Nobody writes "what it's" for "what it is" at the end of a clause."""
DONE = r"(?= (?:been|had|got|seen|done|made|never|always|just|already)\b)"
"""I've done, and not: I've a dog."""
NO_QUESTION = rf"(?! (?:{SUBJECT})\b)"
"""Don't you is not: do not you."""
IS = rf"(?= (?:a|an|the|my|your|his|her|our|their|not|so|too|very|going|{SUBJECT})\b)"
"""What's the, and neither: it's been, nor: a dog and it's leg."""
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
    """Two words at most, never the first one nor one in quotation marks, each with one error of a finger."""
    pieces = re.split(r"(\s+)", text)
    free = [i for i in outside_quotes(pieces) if i and _is_free(pieces[i])]
    for i in rng.sample(free, min(len(free), TYPOS)):
        pieces[i] = _slip(pieces[i], rng)
    return "".join(pieces)


def _is_free(word: str) -> bool:
    """Whether an error leaves the word readable, and nothing that carries a label is in it."""
    return len(word) > 4 and word.isalpha() and word.islower() and not protected(word)


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
    """Every long form short, or every short form long, where that is how it is written."""
    for old, new in SHORTER if rng.random() < 0.5 else LONGER:
        text = re.sub(rf"(?<!\w){old}", new, text)
        text = re.sub(rf"(?<!\w){old[0].upper()}{old[1:]}", new.capitalize(), text)
    return text


def _shorter(long: str) -> str:
    """Where a long form may become short."""
    if long.endswith(("not", "cannot")):
        return rf"{long}(?!\w)"
    return long + (DONE if long == "i have" else GOES_ON)


def _longer(short: str) -> str:
    """Where a short form may become long."""
    if short.endswith("n't"):
        return rf"{short}(?!\w){NO_QUESTION}"
    return short + (IS if short.endswith("'s") else r"(?!\w)")


SHORTER = [(_shorter(long), short) for long, short in CONTRACTIONS.items()]
LONGER = [(_longer(short), long) for long, short in CONTRACTIONS.items()]
OPERATIONS: dict[Operation, Callable[[str, random.Random], str]] = {
    "typo": _typo,
    "case": _case,
    "spacing": _spacing,
    "punctuation": _punctuation,
    "contraction": _contraction,
}
