"""What text is compared by: NFKC-normalised words in lower case, in plain Python. The kernels do the same."""

from __future__ import annotations

import re
import unicodedata

WORDS = 3
CHARACTERS = 5
TEMPLATE_SHARE = 0.05
TEMPLATE_ROWS = 20

UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
)
"""Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""

_UNSPACED = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in UNSPACED) + "]")
_ASCII_WORD = re.compile(r"\w+")


def normal(text: str) -> str:
    """The text NFKC-normalised and in lower case."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).lower()


def words(text: str) -> list[str]:
    """Words of the normal form; single characters where a script has no spaces.

    A word is letters, digits, `_`, and the marks that follow them.
    """
    lowered = normal(text)
    found = _ASCII_WORD.findall(lowered) if lowered.isascii() else _words(lowered)
    return list("".join(found)) if is_unspaced(lowered) else found


def _words(text: str) -> list[str]:
    found: list[str] = []
    inside = False
    for c in text:
        starts = c.isalnum() or c == "_"
        continues = inside and (starts or unicodedata.category(c)[0] == "M")
        if continues:
            found[-1] += c
        elif starts:
            found.append(c)
        inside = starts or continues
    return found


def is_unspaced(text: str) -> bool:
    """Whether more than half of the visible characters are of scripts without spaces."""
    return not text.isascii() and 2 * len(_UNSPACED.findall(text)) > len("".join(text.split()))


def whole(text: str) -> str:
    """What a text that is too short for a shingle is compared by: its normal form, less a full stop."""
    squeezed = " ".join(normal(text).split())
    return squeezed[:-1].rstrip() if len(squeezed) > 1 and squeezed.endswith(".") else squeezed
