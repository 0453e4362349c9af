"""Texts into sets of hashed shingles: word 3-grams, or character 5-grams in scripts without spaces.

Shingles are those of Broder, "On the resemblance and containment of documents" (1997). A hash has 60 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.bits import ODD1, ODD2, U0, U1, U8, U29, U32
from curation.near.tokens import HASH, bounds, kinds_of, tokenise, whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.texts import Texts


class Sets(NamedTuple):
    """The shingle sets of some texts.

    Attributes:
        hashes: The distinct shingles of all texts, one text after the other (shingles,), uint64.
        starts: Where the set of each text begins (texts + 1,).
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]


class Scratch(NamedTuple):
    """Room for one text: its tokens, its shingles, and a hash table to find repeated ones."""

    tokens: NDArray[np.uint64]
    shingles: NDArray[np.uint64]
    table: NDArray[np.uint64]


def shingle_sets(texts: Texts) -> Sets:
    """Cut texts; one of fewer words than a shingle has is one shingle, so that only equal ones are alike."""
    return Sets(*_sets(texts, kinds_of(texts), scratch_for(texts)))


def marked(sets: Sets, marks: NDArray[np.uint64]) -> Sets:
    """Sets with other shingles for each mark, so that only texts of one mark are alike; 0 changes nothing."""
    each = np.repeat(marks & HASH, np.diff(sets.starts))
    return Sets(sets.hashes ^ each, sets.starts)


def scratch_for(texts: Texts) -> Scratch:
    """Room for the longest of the texts."""
    room = longest(texts) + 2
    size = 1 << (2 * room).bit_length()
    return Scratch(np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(size, np.uint64))


@compiled
def longest(texts: Texts) -> int:
    """Bytes of the longest text."""
    most = 0
    for text in range(len(texts.first)):
        size = 0
        for message in range(texts.first[text], texts.end[text]):
            _, low, high = bounds(texts, message)
            size += high - low if texts.used[message] else 0
        most = max(most, size)
    return most


@compiled
def _sets(
    texts: Texts, kinds: NDArray[np.uint8], scratch: Scratch
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    room = len(texts.data) + len(texts.other) + len(texts.first)
    hashes = np.empty(room, np.uint64)
    starts = np.zeros(len(texts.first) + 1, np.int64)
    at = 0
    for text in range(len(texts.first)):
        size, count = tokenise(texts, text, kinds, scratch.tokens)
        grams = count - size + 1
        if grams > 0:
            combine(scratch.tokens, size, grams, scratch.shingles)
            at += distinct(scratch.shingles, grams, scratch.table, hashes[at:])
        else:
            hashes[at] = whole(texts, text, kinds)
            at += 1
        starts[text + 1] = at
    return hashes[:at].copy(), starts


@compiled
def combine(tokens: NDArray[np.uint64], size: int, grams: int, shingles: NDArray[np.uint64]) -> None:
    """Hash each run of `size` tokens into `shingles`; none is 0."""
    for i in range(grams):
        h = tokens[i]
        for k in range(1, size):
            h = h * ODD1 + tokens[i + k]
        h = (h ^ (h >> U32)) * ODD2
        h = (h ^ (h >> U29)) & HASH
        shingles[i] = h if h else U1


@compiled
def distinct(
    shingles: NDArray[np.uint64], grams: int, table: NDArray[np.uint64], found: NDArray[np.uint64]
) -> int:
    """Write each of the first `grams` shingles to `found` once; their number."""
    size = 8
    while size < 2 * grams:
        size *= 2
    last = np.uint64(size - 1)
    table[:size] = U0
    count = 0
    for i in range(grams):
        h = shingles[i]
        slot = (h >> U8) & last
        while table[slot] != U0 and table[slot] != h:
            slot = (slot + U1) & last
        if table[slot] == U0:
            table[slot] = h
            found[count] = h
            count += 1
    return count
