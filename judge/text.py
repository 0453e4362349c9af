"""How the deterministic checks see text: normalised, in any script."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from curation.text import UNSPACED

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSPACED = (*UNSPACED, (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Those of near-duplicates, and the rarer Chinese characters."""
_POWER = re.compile(r"\d\*\*\d")
_STOPS = " .,;:!?。、؟।"


def normalise(text: str) -> str:
    """NFKC, case-folded, every run of white space one space, none at the ends."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # folding can undo the composition (U+0130 becomes two characters), so it is composed again
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def quote(text: str) -> str:
    """A text in quotation marks, cut when it is long."""
    return f"'{text}'" if len(text) <= 80 else f"'{text[:79]}…'"


def first_line(text: str) -> str:
    """The first line that is not blank, normalised."""
    return normalise(text.strip().partition("\n")[0])


def labels(text: str) -> frozenset[str]:
    """The normalised labels in the lines after the first, separated by commas or white space."""
    rest = normalise(text.strip().partition("\n")[2])
    return frozenset(re.split(r"[\s,、]+", rest)) - {""}


def places(text: str, phrase: str) -> Iterator[tuple[int, int]]:
    """Where `phrase` stands in `text` as whole words, as (start, end) in the normalised text.

    Both are normalised; stops around the phrase do not count. Scripts that write no spaces between words
    (Chinese, Japanese, Thai...) have no word ends to respect.
    """
    text, whole = normalise(text), normalise(phrase)
    phrase = whole.strip(_STOPS) or whole
    start = text.find(phrase)
    while start != -1:
        end = start + len(phrase)
        if not _inside(text, start) and not _inside(text, end):
            yield start, end
        start = text.find(phrase, start + 1)


def _inside(text: str, cut: int) -> bool:
    """Whether cutting before `text[cut]` splits a word, or a number such as 3.14, -5, 5/8 and 5^2."""
    left, right = text[max(cut - 1, 0) : cut], text[cut : cut + 1]
    if not left or not right:
        return False
    if _wordy(left) and _wordy(right):
        return not (unspaced(left) or unspaced(right))
    before, after = text[max(cut - 2, 0) : max(cut - 1, 0)], text[cut + 1 : cut + 2]
    if ("^" in (left, right) and " " not in (left, right)) or _POWER.search(text, max(cut - 3, 0), cut + 3):
        return True
    if left.isdigit() and after.isdigit() and right in ".,/":
        return True
    if right.isdigit() and left in ".,/-\u2212":  # a sign stands behind no word: 3-5 is from 3 to 5
        return before.isdigit() if left in ".,/" else not (_wordy(before) or before in (")", "]", "-"))
    return left.isalpha() and right in "+#" and not _wordy(after)  # C++, C#, A+


def _wordy(char: str) -> bool:
    # marks are part of a word: Python's \w leaves out the vowel signs of Indic scripts
    return char == "_" or (bool(char) and unicodedata.category(char)[0] in "LNM")


def unspaced(char: str) -> bool:
    """Whether a character's script writes no spaces between words."""
    return any(first <= ord(char) <= last for first, last in _UNSPACED)
