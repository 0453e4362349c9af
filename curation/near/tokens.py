"""Texts into hashed words, or characters in scripts without spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled
from curation.near.bits import ODD1, U0, U1, U8, U32, mix
from curation.near.texts import MARK, NO_SPACES, SPACE, WORD, Texts, kinds
from curation.text import CHARACTERS, WORDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

HASH_BITS = 60
HASH = np.uint64((1 << HASH_BITS) - 1)
WHOLE = np.uint64(0xA0761D6478BD642F)
FULL_STOP = ord(".")


def kinds_of(texts: Texts) -> NDArray[np.uint8]:
    """The table of characters, no longer than these texts need it."""
    return kinds() if len(texts.other) else kinds(128)


@compiled
def bounds(texts: Texts, message: int) -> tuple[NDArray[np.uint8], int, int]:
    """The bytes that hold a message in normal form, and where it begins and ends in them."""
    other = texts.which[message]
    if other >= 0:
        return texts.other, texts.other_offsets[other], texts.other_offsets[other + 1]
    return texts.data, texts.offsets[message], texts.offsets[message + 1]


@compiled
def tokenise(
    texts: Texts, text: int, kinds: NDArray[np.uint8], tokens: NDArray[np.uint64]
) -> tuple[int, int]:
    """Put the hash of each word, or character, into `tokens`; the length of a shingle and their number."""
    single = is_unspaced(texts, text, kinds)
    count = 0
    for message in range(texts.first[text], texts.end[text]):
        if texts.used[message]:
            data, low, high = bounds(texts, message)
            if single:
                count = characters(data, low, high, kinds, tokens, count)
            else:
                count = words(data, low, high, kinds, tokens, count)
    return (CHARACTERS if single else WORDS), count


@compiled
def code_point(data: NDArray[np.uint8], i: int) -> tuple[int, int]:
    """The character that begins at byte `i` of UTF-8, and its bytes."""
    c = int(data[i])
    if c < 0x80:
        return c, 1
    if c < 0xE0:
        return ((c & 0x1F) << 6) | (data[i + 1] & 0x3F), 2
    if c < 0xF0:
        return ((c & 0xF) << 12) | ((data[i + 1] & 0x3F) << 6) | (data[i + 2] & 0x3F), 3
    high = ((c & 0x7) << 18) | ((data[i + 1] & 0x3F) << 12)
    return high | ((data[i + 2] & 0x3F) << 6) | (data[i + 3] & 0x3F), 4


@compiled
def is_unspaced(texts: Texts, text: int, kinds: NDArray[np.uint8]) -> bool:
    """Whether more than half of a text's visible characters are of scripts without spaces."""
    ascii_only = True
    for message in range(texts.first[text], texts.end[text]):
        ascii_only &= texts.which[message] < 0
    if ascii_only:
        return False
    unspaced = visible = 0
    for message in range(texts.first[text], texts.end[text]):
        if not texts.used[message]:
            continue
        data, i, high = bounds(texts, message)
        while i < high:
            point, width = code_point(data, i)
            unspaced += (kinds[point] & NO_SPACES) != 0
            visible += (kinds[point] & SPACE) == 0
            i += width
    return 2 * unspaced > visible


@compiled
def words(
    data: NDArray[np.uint8],
    low: int,
    high: int,
    kinds: NDArray[np.uint8],
    tokens: NDArray[np.uint64],
    count: int,
) -> int:
    """Append the hashes of a message's words, eight bytes at a time; the number of tokens then."""
    word = chain = U0
    length = 0
    i = low
    while i < high:
        c = data[i]
        if c < 128:
            kind, width = kinds[c], 1
            if c - 65 < 26:
                c |= 32
        else:
            point, width = code_point(data, i)
            kind = kinds[point]
        if kind & WORD or (length and kind & MARK):
            for k in range(width):
                word = (word << U8) | np.uint64(c if k == 0 else data[i + k])
                length += 1
                if length & 7 == 0:
                    chain = mix(chain * ODD1 + word)
                    word = U0
        elif length:
            tokens[count] = mix(chain * ODD1 + word)
            count += 1
            word = chain = U0
            length = 0
        i += width
    if length:
        tokens[count] = mix(chain * ODD1 + word)
        count += 1
    return count


@compiled
def characters(
    data: NDArray[np.uint8],
    low: int,
    high: int,
    kinds: NDArray[np.uint8],
    tokens: NDArray[np.uint64],
    count: int,
) -> int:
    """Append the hashes of a message's letters and signs of words; the number of tokens then."""
    inside = False
    i = low
    while i < high:
        point, width = code_point(data, i)
        kind = kinds[point]
        inside = kind & WORD != 0 or (inside and kind & MARK != 0)
        if inside:
            upper = np.int64(65) <= point <= np.int64(90)
            tokens[count] = mix(np.uint64(point + 32 if upper else point))
            count += 1
        i += width
    return count


@compiled
def whole(texts: Texts, text: int, kinds: NDArray[np.uint8]) -> np.uint64:
    """Hash of a text in normal form: white space counts as one space, a last full stop not at all."""
    h = before = WHOLE
    seen = last = 0
    for message in range(texts.first[text], texts.end[text]):
        if not texts.used[message]:
            continue
        data, i, high = bounds(texts, message)
        gap = seen > 0
        while i < high:
            point, width = code_point(data, i)
            i += width
            if kinds[point] & SPACE:
                gap = seen > 0
                continue
            before = h
            if gap:
                h = mix(h * ODD1 + U32)
                gap = False
            upper = np.int64(65) <= point <= np.int64(90)
            last = point + 32 if upper else point
            h = mix(h * ODD1 + np.uint64(last))
            seen += 1
    h = (before if last == FULL_STOP and seen > 1 else h) & HASH
    return h if h else U1
