"""Which few shingles of a text find every similar text: the rarest ones, or MinHash bands of a long text.

Two sets of similarity t share one of their (1 - t) n + 1 first elements in any order that is common to all
sets: Chaudhuri, Ganti and Kaushik, "A primitive operator for similarity joins" (2006); Bayardo, Ma and
Srikant, "Scaling up all pairs similarity search" (2007). With the rarest first, few other texts share them. A
text of more than `LONG` shingles has bands of a one-permutation MinHash (Li, Owen and Zhang, 2012) instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.bits import ODD1, U1, mix
from curation.near.tokens import HASH, HASH_BITS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.counts import Counts
    from curation.near.shingling import Sets

LONG = 20_000
"""Shingles above which a text is found by MinHash: with a chance, not for certain."""

BINS = 256
MISSED = 1e-4
PARTS = 64
CLASS_SHIFT = np.uint64(HASH_BITS)
BIN_SHIFT = np.uint64(HASH_BITS - 8)
NO_PLACE = -1
EPSILON = 1e-9


class Entries(NamedTuple):
    """The shingles by which texts are found, sorted into `PARTS` parts by hash.

    Attributes:
        keys: Shingle with its class of frequency above it (entries,), uint64.
        texts: Whose it is (entries,), int32.
        places: How many shingles of that text come before it (entries,); `NO_PLACE` for a band.
        parts: Where each part begins (PARTS + 1,).
    """

    keys: NDArray[np.uint64]
    texts: NDArray[np.int32]
    places: NDArray[np.int32]
    parts: NDArray[np.int64]


def classes(counts: Counts) -> NDArray[np.uint8]:
    """How frequent the shingles of each bucket are (buckets,), 0 to 15: the order of all shingles."""
    steps = np.array([2, 3, 4, 5, 6, 7, 9, 12, 16, 23, 32, 64, 128, 255])
    return np.searchsorted(steps, np.arange(256), side="right").astype(np.uint8)[counts.rare]


def band_length(threshold: float) -> int:
    """Bins of a band: as many as still miss fewer than one in 10,000 pairs that are just similar enough."""
    good = [r for r in range(1, 17) if (1 - threshold**r) ** (BINS // r) <= MISSED]
    return max(good, default=1)


def prefixes(sets: Sets, first: int, order: NDArray[np.uint8], threshold: float) -> Entries:
    """The entries of some texts.

    Args:
        sets: Their shingle sets.
        first: The number of the first of them.
        order: See `classes`.
        threshold: Smallest similarity that must be found.
    """
    return Entries(*_prefixes(sets, first, order, threshold, (band_length(threshold), LONG)))


@compiled
def overlap(size: int, threshold: float) -> int:
    """Shingles that a set of this size shares at least with any set that is similar enough."""
    return max(1, int(np.ceil(threshold * size - EPSILON)))


@compiled
def _prefixes(
    sets: Sets,
    first: int,
    order: NDArray[np.uint8],
    threshold: float,
    bands: tuple[int, int],
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    band, limit = bands
    room = 0
    count_of = len(sets.starts) - 1
    for text in range(count_of):
        size = sets.starts[text + 1] - sets.starts[text]
        room += size - overlap(size, threshold) + 1 + BINS * (size > threshold * limit)
    every = np.empty(np.diff(sets.starts).max(), np.uint64) if count_of else np.empty(0, np.uint64)
    keys, texts, places = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    at = 0
    for text in range(count_of):
        own = sets.hashes[sets.starts[text] : sets.starts[text + 1]]
        count = 0
        if len(own) <= limit:
            count = rarest(own, order, len(own) - overlap(len(own), threshold) + 1, keys[at:], every)
            places[at : at + count] = np.arange(count)
        if len(own) > threshold * limit:
            more = min_hash(own, band, keys[at + count :])
            places[at + count : at + count + more] = NO_PLACE
            count += more
        texts[at : at + count] = first + text
        at += count
    return _parted(keys[:at], texts[:at], places[:at])


@compiled
def rarest(
    own: NDArray[np.uint64],
    order: NDArray[np.uint8],
    count: int,
    keys: NDArray[np.uint64],
    every: NDArray[np.uint64],
) -> int:
    """Write the `count` shingles that come first in the common order, sorted; `every` is room for all."""
    last = np.uint64(len(order) - 1)
    for i in range(len(own)):
        every[i] = own[i] | (np.uint64(order[own[i] & last]) << CLASS_SHIFT)
    if count > 64:
        every[: len(own)].sort()
        keys[:count] = every[:count]
        return count
    filled = 0
    for key in every[: len(own)]:
        if filled == count and key >= keys[count - 1]:
            continue
        i = filled if filled < count else count - 1
        filled += filled < count
        while i and keys[i - 1] > key:
            keys[i] = keys[i - 1]
            i -= 1
        keys[i] = key
    return count


@compiled
def min_hash(own: NDArray[np.uint64], band: int, keys: NDArray[np.uint64]) -> int:
    """Write a key for each band of a text's one-permutation MinHash; their number."""
    least = np.full(BINS, HASH)
    for h in own:
        mixed = mix(h) & HASH
        bin_ = mixed >> BIN_SHIFT
        least[bin_] = min(least[bin_], mixed)
    count = BINS // band
    for k in range(count):
        key = np.uint64(k + 1)
        for value in least[k * band : (k + 1) * band]:
            key = mix(key * ODD1 + value)
        keys[k] = key & HASH
    return count


@compiled
def _parted(
    keys: NDArray[np.uint64], texts: NDArray[np.int32], places: NDArray[np.int32]
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    parts = np.zeros(PARTS + 1, np.int64)
    for key in keys:
        parts[(key & np.uint64(PARTS - 1)) + U1] += 1
    parts = np.cumsum(parts)
    at = parts[:-1].copy()
    out = np.empty_like(keys), np.empty_like(texts), np.empty_like(places)
    for i in range(len(keys)):
        part = keys[i] & np.uint64(PARTS - 1)
        out[0][at[part]], out[1][at[part]], out[2][at[part]] = keys[i], texts[i], places[i]
        at[part] += 1
    return out[0], out[1], out[2], parts
