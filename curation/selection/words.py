"""Words of many texts as numbers, straight from Arrow's buffers: no Python object for any word."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNSPACED = "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])"
"""Characters of scripts that put no spaces between words; each counts as a word."""

FIRST_TABLE = 1 << 16


class Words(NamedTuple):
    """The words of some texts, text after text.

    Attributes:
        starts: Where each text begins in `numbers`, and where the last one ends (texts + 1,).
        numbers: Number of each word, in the order of the text (words,), int32.
        distinct: How many distinct words there are; numbers are below it.
    """

    starts: NDArray[np.int64]
    numbers: NDArray[np.int32]
    distinct: int


def cut(texts: pl.Series) -> Words:
    """Cut texts into words: runs of letters, digits and `_` in lower-case NFKC.

    A word is known by a 64-bit hash: two of a million distinct words share one with a chance of 3 in 10^8.

    Args:
        texts: Strings (texts,), none of them null.
    """
    array = _plain(texts).to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = array.buffers()
    places = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    letters = np.frombuffer(data, np.uint8) if data and data.size else np.zeros(0, np.uint8)
    return Words(*_number(letters, places, _word_bytes(), FIRST_TABLE))


def _plain(texts: pl.Series) -> pl.Series:
    """Texts that the kernel can cut: what is not ASCII is normalised, its punctuation made a space."""
    odd = (texts.str.len_bytes() != texts.str.len_chars()).to_numpy()
    if not odd.any():
        return texts
    cleaned = (
        texts.filter(pl.Series(odd))
        .str.normalize("NFKC")
        .str.to_lowercase()
        .str.replace_all(r"[^\w\s]", " ")
        .str.replace_all(UNSPACED, " $1 ")
    )
    where = np.arange(len(texts))
    where[odd] = len(texts) + np.arange(len(cleaned))
    return pl.concat([texts, cleaned]).gather(where)


def _word_bytes() -> NDArray[np.uint8]:
    """For each byte what it counts as within a word: itself, its lower case, or 0 where it ends one."""
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        letter = chr(byte)
        if byte >= 128 or letter.isalnum() or letter == "_":
            table[byte] = ord(letter.lower()) if byte < 128 else byte
    return table


@compiled
def _number(
    letters: NDArray[np.uint8], places: NDArray[np.int64], word_bytes: NDArray[np.uint8], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], int]:
    count = len(places) - 1
    starts = np.zeros(count + 1, np.int64)
    numbers = np.empty((places[count] - places[0] + count) // 2 + 1, np.int32)
    keys, values = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    distinct, end = 0, 0
    for text in range(count):
        at = places[text]
        while at < places[text + 1]:
            letter = word_bytes[letters[at]]
            at += 1
            if letter == 0:
                continue
            code = np.uint64(14695981039346656037)
            while letter != 0:
                code = (code ^ np.uint64(letter)) * np.uint64(1099511628211)
                letter = word_bytes[letters[at]] if at < places[text + 1] else np.uint8(0)
                at += 1
            slot = _slot(keys, code)
            if keys[slot] == 0:
                keys[slot], values[slot] = code, distinct
                distinct += 1
            numbers[end] = values[slot]
            end += 1
            if 2 * distinct > len(keys):
                keys, values = _grown(keys, values)
        starts[text + 1] = end
    return starts, numbers[:end].copy(), distinct


@compiled
def _slot(keys: NDArray[np.uint64], code: np.uint64) -> np.uint64:
    """Where a code is in an open table, or the free place where it belongs."""
    mask = np.uint64(len(keys) - 1)
    slot = (code ^ (code >> np.uint64(32))) & mask
    while keys[slot] != 0 and keys[slot] != code:
        slot = (slot + np.uint64(1)) & mask
    return slot


@compiled
def _grown(
    keys: NDArray[np.uint64], values: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    wider, moved = np.zeros(4 * len(keys), np.uint64), np.zeros(4 * len(keys), np.int32)
    for i in range(len(keys)):
        if keys[i] != 0:
            slot = _slot(wider, keys[i])
            wider[slot], moved[slot] = keys[i], values[i]
    return wider, moved
