"""Which texts may be similar to another one, by length, place and bitmap alone: all that are, and few others.

Length filter: Arasu, Ganti and Kaushik, "Efficient exact set-similarity joins" (2006). Place filter: Xiao,
Wang, Lin and Yu, "Efficient similarity joins for near duplicate detection" (PPJoin, 2008). Bitmap filter:
Sandes, Teodoro and Melo, "Bitmap filter: speeding up exact set similarity joins" (2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.bits import U1, ones
from curation.near.prefixes import EPSILON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curation.near.shingling import Sets

BITMAP = 8
"""Words of 64 bits: similar sets set nearly the same bits."""

SIX, SEVEN, LOW_SIX = np.uint64(6), np.uint64(BITMAP - 1), np.uint64(63)


class Profiles(NamedTuple):
    """What the filters look at.

    Attributes:
        sizes: Shingles of each text (texts,), int32.
        bitmaps: A bit for each shingle of a text (texts, BITMAP), uint64.
    """

    sizes: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]


class Groups(NamedTuple):
    """Entries of which two or more have the same key, those of one key together.

    Attributes:
        texts: Whose each is (entries,), int32.
        places: See `curation.near.prefixes.Entries` (entries,), int32.
        sizes: How many have each key (groups,).
    """

    texts: NDArray[np.int32]
    places: NDArray[np.int32]
    sizes: NDArray[np.int64]


def profiles_of(sets: Sequence[Sets], threads: int | None = None) -> Profiles:
    """The profiles of texts from their shingle sets, block by block."""
    sizes = np.concatenate([np.diff(part.starts) for part in sets]).astype(np.int32)
    return Profiles(sizes, np.concatenate(list(over(_bitmaps, sets, threads))))


@compiled
def _bitmaps(sets: Sets) -> NDArray[np.uint64]:
    found = np.zeros((len(sets.starts) - 1, BITMAP), np.uint64)
    for text in range(len(found)):
        for h in sets.hashes[sets.starts[text] : sets.starts[text + 1]]:
            found[text, (h >> SIX) & SEVEN] |= U1 << (h & LOW_SIX)
    return found


def grouped(keys: NDArray[np.uint64], texts: NDArray[np.int32], places: NDArray[np.int32]) -> Groups:
    """Put entries with equal keys together; those whose key nobody shares are left out."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    edges = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1], [True])))
    sizes = np.diff(edges) if len(keys) else np.empty(0, np.int64)
    order = order[np.repeat(sizes > 1, sizes)]
    return Groups(texts[order], places[order], sizes[sizes > 1])


@compiled
def mark(groups: Groups, profiles: Profiles, threshold: float, found: NDArray[np.bool_]) -> None:
    """Mark the texts that may be similar to one with the same key; a mark that is set stays set.

    Threads may do this beside each other. A marked text is compared only with those that are not, so a
    cluster costs about as many comparisons as it has members.

    Args:
        groups: Texts by their keys.
        profiles: Those of all texts.
        threshold: Smallest similarity that must be found.
        found: The marks (texts,).
    """
    waiting = np.empty(groups.sizes.max() if len(groups.sizes) else 0, np.int64)
    begin = 0
    for size in groups.sizes:
        count = 0
        for i in range(begin, begin + size):
            count = _meet_waiting(groups, profiles, threshold, found, i, waiting, count)
            if not found[groups.texts[i]]:
                _meet_marked(groups, profiles, threshold, found, i, begin)
            if not found[groups.texts[i]]:
                waiting[count] = i
                count += 1
        begin += size


@compiled
def _meet_waiting(
    groups: Groups,
    profiles: Profiles,
    threshold: float,
    found: NDArray[np.bool_],
    i: int,
    waiting: NDArray[np.int64],
    count: int,
) -> int:
    """Compare an entry with those before it that have no mark; how many are left without one."""
    left = 0
    for k in waiting[:count]:
        if found[groups.texts[k]]:
            continue
        if _perhaps(groups, profiles, threshold, i, k):
            found[groups.texts[i]] = found[groups.texts[k]] = True
        else:
            waiting[left] = k
            left += 1
    return left


@compiled
def _meet_marked(
    groups: Groups, profiles: Profiles, threshold: float, found: NDArray[np.bool_], i: int, begin: int
) -> None:
    """Compare an entry with those before it that have a mark, until one gives it a mark, too."""
    for k in range(begin, i):
        if found[groups.texts[k]] and _perhaps(groups, profiles, threshold, i, k):
            found[groups.texts[i]] = True
            break


@compiled
def _perhaps(groups: Groups, profiles: Profiles, threshold: float, i: int, k: int) -> bool:
    a, b = groups.texts[i], groups.texts[k]
    size, other = profiles.sizes[a], profiles.sizes[b]
    return pass_by_place(size, groups.places[i], other, groups.places[k], threshold) and pass_by_bitmap(
        size, profiles.bitmaps[a], other, profiles.bitmaps[b], threshold
    )


@compiled
def pass_by_place(size: int, place: int, other_size: int, other_place: int, threshold: float) -> bool:
    """Whether two sets that share the shingle at these places may be similar, by their lengths."""
    most = min(size - max(0, place), other_size - max(0, other_place))
    return most >= threshold / (1 + threshold) * (size + other_size) - EPSILON


@compiled
def pass_by_bitmap(
    size: int, bits: NDArray[np.uint64], other_size: int, other_bits: NDArray[np.uint64], threshold: float
) -> bool:
    """Whether two sets may be similar, by their bitmaps: a bit that one lacks is a shingle that it lacks."""
    both = size + other_size
    unlike = 0
    for k in range(BITMAP):
        unlike += int(ones(bits[k] ^ other_bits[k]))
    return both - unlike >= 2 * (threshold / (1 + threshold) * both - EPSILON)
