"""A hash table from shingles to their numbers, for the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.bits import U0, U1, U8

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Lookup(NamedTuple):
    """A hash table from shingles to their numbers; an empty place is 0 (places,)."""

    keys: NDArray[np.uint64]
    numbers: NDArray[np.int64]


def lookup_of(hashes: NDArray[np.uint64]) -> Lookup:
    """A hash table for shingles that are not 0 and differ."""
    size = 1 << (2 * len(hashes) + 8).bit_length()
    lookup = Lookup(np.zeros(size, np.uint64), np.full(size, -1, np.int64))
    _fill(lookup, hashes)
    return lookup


@compiled
def _fill(lookup: Lookup, hashes: NDArray[np.uint64]) -> None:
    for number in range(len(hashes)):
        slot = place(lookup, hashes[number])
        lookup.keys[slot] = hashes[number]
        lookup.numbers[slot] = number


@compiled
def place(lookup: Lookup, h: np.uint64) -> np.uint64:
    """Where a shingle is in the table, or would be put."""
    last = np.uint64(len(lookup.keys) - 1)
    slot = (h >> U8) & last
    while lookup.keys[slot] != U0 and lookup.keys[slot] != h:
        slot = (slot + U1) & last
    return slot
