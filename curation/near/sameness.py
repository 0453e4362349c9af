"""Equal conversations: found by a hash of their normal form, confirmed on the text itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.compiled import compiled, over
from curation.near.bits import ODD1, U0, U1, U8, U32, eight, mix
from curation.near.texts import BLOCK, SPACE, Texts, contents, taken
from curation.near.tokens import bounds, code_point, kinds_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


SPACE_BYTE = np.uint8(32)
U2, U7, U64, U255 = (np.uint64(n) for n in (2, 7, 64, 255))
EACH, HIGH, TOP = (np.uint64(n) for n in (0x0101010101010101, 0x8080808080808080, 1 << 63))
FROM_A, FROM_TAB, FROM_28 = (np.uint64(128 - n) for n in (ord("A"), 9, 28))
ABOVE_Z, ABOVE_RETURN, ABOVE_SPACE = (np.uint64(127 - n) for n in (ord("Z"), 13, 32))
PLAIN = np.array([32 if chr(c).isspace() else ord(chr(c).lower()) for c in range(128)], np.uint8)
"""ASCII in lower case, all its white space as spaces."""


class Marks(NamedTuple):
    """What else a turn has: its role and its other fields."""

    roles: pa.Array
    extras: pa.Array


def signatures(messages: pl.Series, threads: int | None = None) -> NDArray[np.uint64]:
    """A hash of each conversation in normal form (rows,): NFKC, lower case, white space as one space."""

    def work(start: int) -> NDArray[np.uint64]:
        lists = taken(messages, np.arange(start, min(start + BLOCK, len(messages)))).to_arrow()
        texts = contents(lists)
        return _signatures(texts, kinds_of(texts), _mark_hashes(lists))

    return np.concatenate([np.empty(0, np.uint64), *over(work, range(0, len(messages), BLOCK), threads)])


def _marks(lists: pa.LargeListArray) -> Marks:
    turns = lists.flatten()
    roles, extras = (pc.fill_null(turns.field(name), "") for name in ("role", "extra"))
    return Marks(roles, extras)


def _mark_hashes(lists: pa.LargeListArray) -> NDArray[np.uint64]:
    marks = _marks(lists)
    roles, extras = pl.Series(marks.roles).hash(1), pl.Series(marks.extras).hash(2)
    both: NDArray[np.uint64] = np.bitwise_xor(roles.to_numpy(), extras.to_numpy())
    return both


@compiled
def _signatures(texts: Texts, kinds: NDArray[np.uint8], marks: NDArray[np.uint64]) -> NDArray[np.uint64]:
    found = np.zeros(len(texts.first), np.uint64)
    for text in range(len(found)):
        h = U0
        for message in range(texts.first[text], texts.end[text]):
            data, low, high = bounds(texts, message)
            h = mix(h * ODD1 + marks[message])
            if texts.which[message] < 0:
                h = _ascii(data, low, high, h)
            else:
                h = _content(data, low, high, kinds, h)
        found[text] = h
    return found


@compiled
def _ascii(data: NDArray[np.uint8], low: int, high: int, h: np.uint64) -> np.uint64:
    """The same as `_content` for ASCII, eight bytes at a time where no two spaces follow each other."""
    while high > low and PLAIN[data[high - 1]] == SPACE_BYTE:
        high -= 1
    word, length, last = U0, 0, SPACE_BYTE
    i = low
    while i < high:
        if high - i >= 8:
            letters, spaces = plain(eight(data, i))
            before = TOP if last == SPACE_BYTE else U0
            if spaces & ((spaces >> U8) | before) == U0:
                held = np.uint64(8 * (length & 7))
                h = mix(h * ODD1 + ((word << (U64 - held) if held else U0) | (letters >> held)))
                word = letters & ((U1 << held) - U1)
                last = np.uint8(letters & U255)
                length += 8
                i += 8
                continue
        for k in range(i, min(i + 8, high)):
            c = PLAIN[data[k]]
            if c != SPACE_BYTE or last != SPACE_BYTE:
                word = (word << U8) | np.uint64(c)
                length += 1
                if length & 7 == 0:
                    h = mix(h * ODD1 + word)
                    word = U0
            last = c
        i += 8
    return mix(mix(h * ODD1 + word) * ODD1 + np.uint64(length))


@compiled
def plain(word: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Eight ASCII letters in lower case and white space as spaces; the high bit of each that is a space.

    The sums reach a byte's high bit where it is at least, or above, some letter; none runs over.
    """
    upper = ((word + EACH * FROM_A) ^ (word + EACH * ABOVE_Z)) & HIGH
    control = (word + EACH * FROM_TAB) ^ (word + EACH * ABOVE_RETURN)
    spaces = (control | ((word + EACH * FROM_28) ^ (word + EACH * ABOVE_SPACE))) & HIGH
    mask = (spaces >> U7) * U255
    return ((word | (upper >> U2)) & ~mask) | (EACH * U32 & mask), spaces


@compiled
def _content(
    data: NDArray[np.uint8], low: int, high: int, kinds: NDArray[np.uint8], h: np.uint64
) -> np.uint64:
    """Hash a message's normal form on top of `h`, eight bytes at a time."""
    word = U0
    length = 0
    i, width, gap = next_character(data, low, high, kinds)
    while i < high:
        for k in range(-1 if gap and length else 0, width):
            c = np.uint8(32) if k < 0 else lower(data[i + k])
            word = (word << U8) | np.uint64(c)
            length += 1
            if length & 7 == 0:
                h = mix(h * ODD1 + word)
                word = U0
        i, width, gap = next_character(data, i + width, high, kinds)
    return mix(mix(h * ODD1 + word) * ODD1 + np.uint64(length))


@compiled
def lower(c: np.uint8) -> np.uint8:
    """An ASCII letter in lower case; any other byte as it is."""
    return np.uint8(c | 32) if 65 <= c <= 90 else c


@compiled
def next_character(
    data: NDArray[np.uint8], i: int, high: int, kinds: NDArray[np.uint8]
) -> tuple[int, int, bool]:
    """Where the next visible character begins, its bytes, and whether white space is before it."""
    begin = i
    while i < high:
        c = data[i]
        point, width = (np.int64(c), 1) if c < 128 else code_point(data, i)
        if not kinds[point] & SPACE:
            return i, width, i > begin
        i += width
    return high, 0, i > begin


def same(messages: pl.Series, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pairs of conversations, by number, are equal in normal form (pairs,)."""
    asked = np.zeros(len(messages), np.bool_)
    asked[left] = asked[right] = True
    place = np.cumsum(asked) - 1
    lists = messages.filter(pl.Series(asked)).to_arrow()  # in half the time of gathering them
    texts = contents(lists)
    roles, extras = (np.asarray(pc.dictionary_encode(mark).indices) for mark in _marks(lists))
    return _same(texts, kinds_of(texts), roles, extras, place[left], place[right])


@compiled
def _same(
    texts: Texts,
    kinds: NDArray[np.uint8],
    roles: NDArray[np.int32],
    extras: NDArray[np.int32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
) -> NDArray[np.bool_]:
    found = np.zeros(len(left), np.bool_)
    for pair in range(len(left)):
        a, b = texts.first[left[pair]], texts.first[right[pair]]
        turns = texts.end[left[pair]] - a
        equal = texts.end[right[pair]] - b == turns
        k = 0
        while equal and k < turns:
            equal = roles[a + k] == roles[b + k] and extras[a + k] == extras[b + k]
            equal = equal and _same_content(texts, kinds, a + k, b + k)
            k += 1
        found[pair] = equal
    return found


@compiled
def _same_content(texts: Texts, kinds: NDArray[np.uint8], message: int, other: int) -> bool:
    """Whether two messages are equal in normal form."""
    a, low, end = bounds(texts, message)
    b, other_low, other_end = bounds(texts, other)
    if end - low == other_end - other_low and _equal_bytes(a, low, b, other_low, end - low):
        return True
    i, width, gap = next_character(a, low, end, kinds)
    j, other_width, other_gap = next_character(b, other_low, other_end, kinds)
    began = False
    while i < end and j < other_end and width == other_width and (gap == other_gap or not began):
        k = 0
        while k < width and lower(a[i + k]) == lower(b[j + k]):
            k += 1
        if k < width:
            break
        began = True
        i, width, gap = next_character(a, i + width, end, kinds)
        j, other_width, other_gap = next_character(b, j + other_width, other_end, kinds)
    return i >= end and j >= other_end


@compiled
def _equal_bytes(a: NDArray[np.uint8], i: int, b: NDArray[np.uint8], j: int, count: int) -> bool:
    """Whether two runs of at least eight bytes are equal; of fewer it is not told."""
    for k in range(0, count - 7, 8):
        if eight(a, i + k) != eight(b, j + k):
            return False
    return count >= 8 and eight(a, i + count - 8) == eight(b, j + count - 8)
