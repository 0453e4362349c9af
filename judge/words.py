"""Words of a text in any script, and n-grams of anything."""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING
from unicodedata import category, combining, normalize

from curation.text import normal
from judge.text import unspaced

if TYPE_CHECKING:
    from collections.abc import Sequence

_SEPARATE = frozenset(string.punctuation) - frozenset("',-.")
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))


def words(text: str) -> list[str]:
    """Lower-case words of the NFKC form: runs of letters, marks and digits.

    Scripts without spaces give a word a character.
    """
    return "".join(map(_word_part, normal(text))).split()


def bleu_tokens(text: str) -> list[str]:
    """Tokens as BLEU's customary 13a tokenizer cuts ASCII, with its idea carried over to other scripts.

    ASCII symbols stand alone but for apostrophe, hyphen after a letter, and stops and commas between
    digits; so do symbols of all other scripts, and characters of scripts without spaces.
    """
    text = normalize("NFC", text).rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {''.join(map(_bleu_part, text))} "
    text = re.sub(r"([^0-9])([.,])", r"\1 \2 ", text)
    text = re.sub(r"([.,])([^0-9])", r" \1 \2", text)
    return re.sub(r"([0-9])(-)", r"\1 \2 ", text).split()


def ngrams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    """How often each run of `order` tokens occurs."""
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))


@lru_cache(maxsize=4096)
def _word_part(char: str) -> str:
    if category(char)[0] not in "LMN":
        return " "
    return f" {char}" if unspaced(char) and not combining(char) else char


@lru_cache(maxsize=4096)
def _bleu_part(char: str) -> str:
    if char.isascii():
        return f" {char} " if char in _SEPARATE else char
    apart = category(char)[0] in "PS" or unspaced(char)
    return f" {char} " if apart else char
