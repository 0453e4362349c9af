"""The index of a join: of each text that may be similar to another one the shingles that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.filters import Groups, grouped, mark, profiles_of
from curation.near.prefixes import PARTS, Entries
from curation.near.shingling import Sets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PART_SHIFT = np.uint64(PARTS.bit_length() - 1)
NONE = Sets(np.empty(0, np.uint64), np.zeros(1, np.int64))


class Index(NamedTuple):
    """Texts that may be similar to another one, and their sets.

    Attributes:
        numbers: Which texts these are (members,), ascending.
        starts: Where each member's entries begin (members + 1,).
        groups: The group of each entry: those who share a shingle are one (entries,), rarest first.
        places: Its place in the order of that member's shingles (entries,).
        posts: Where the postings of each group begin (groups + 1,).
        hashes: The members' shingle sets (shingles,), uint64, each in ascending order.
        sets: Where each member's set begins (members + 1,).
        bitmaps: A bit for each shingle of a member (members, BITMAP), uint64.
    """

    numbers: NDArray[np.int64]
    starts: NDArray[np.int64]
    groups: NDArray[np.int64]
    places: NDArray[np.int32]
    posts: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    sets: NDArray[np.int64]
    bitmaps: NDArray[np.uint64]


def build(entries: list[Entries], sets: list[Sets], threshold: float, threads: int | None = None) -> Index:
    """Put texts together that may be similar to another one; all others are left out.

    Both lists are emptied on the way: together with what is made of them they would take twice the memory.

    Args:
        entries: The entries of the texts, block by block.
        sets: Their shingle sets, block by block.
        threshold: Smallest similarity that must be found.
        threads: At most so many; all there are unless given.
    """
    profiles = profiles_of(sets, threads)
    found = np.zeros(len(profiles.sizes), np.bool_)

    def work(part: int) -> Groups:
        groups = _alive(entries, part)
        mark(groups, profiles, threshold, found)
        return groups

    parts = list(over(work, range(PARTS), threads))
    entries.clear()
    of_found = list(over(lambda groups: _among(groups, found), parts, threads))
    texts, places, sizes = (np.concatenate([p[side] for p in of_found]) for side in range(3))
    numbers, starts, groups, ordered = _by_text(texts, places, sizes, len(found))
    posts = np.concatenate(([0], np.cumsum(sizes)))
    hashes, begins = _gather(numbers, sets, threads)
    return Index(numbers, starts, groups, ordered, posts, hashes, begins, profiles.bitmaps[numbers])


def _alive(entries: Sequence[Entries], part: int) -> Groups:
    """The entries of a part whose key another text has, too."""
    slices = [slice(e.parts[part], e.parts[part + 1]) for e in entries]
    keys = np.concatenate([e.keys[s] for e, s in zip(entries, slices, strict=True)])
    alive = perhaps_shared(keys)
    texts = np.concatenate([e.texts[s] for e, s in zip(entries, slices, strict=True)])[alive]
    places = np.concatenate([e.places[s] for e, s in zip(entries, slices, strict=True)])[alive]
    return grouped(keys[alive], texts, places)


def _among(groups: Groups, found: NDArray[np.bool_]) -> Groups:
    """The entries of the texts that were found, where another one of them has the key."""
    among = found[groups.texts]
    begins = np.cumsum(groups.sizes) - groups.sizes
    sizes = np.add.reduceat(among, begins, dtype=np.int64) if len(among) else groups.sizes
    among &= np.repeat(sizes > 1, groups.sizes)
    return Groups(groups.texts[among], groups.places[among], sizes[sizes > 1])


@compiled
def perhaps_shared(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which keys may occur twice: no other one falls into the same place of a table (keys,)."""
    size = 1024
    while size < 4 * len(keys):
        size *= 2
    last = np.uint64(size - 1)
    seen = np.zeros(size, np.uint8)
    for key in keys:
        slot = (key >> PART_SHIFT) & last
        seen[slot] = min(2, seen[slot] + 1)
    found = np.empty(len(keys), np.bool_)
    for i in range(len(keys)):
        found[i] = seen[(keys[i] >> PART_SHIFT) & last] > 1
    return found


@compiled
def _by_text(
    texts: NDArray[np.int32], places: NDArray[np.int32], sizes: NDArray[np.int64], total: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Members, where their entries begin, and the groups and places of those, each member's in order."""
    counts = np.zeros(total + 1, np.int64)
    for text in texts:
        counts[text] += 1
    numbers = np.flatnonzero(counts)
    starts = np.zeros(len(numbers) + 1, np.int64)
    at = np.empty(total, np.int64)
    for member in range(len(numbers)):
        at[numbers[member]] = starts[member]
        starts[member + 1] = starts[member] + counts[numbers[member]]
    groups, ordered = np.empty(len(texts), np.int64), np.empty(len(texts), np.int32)
    i = 0
    for group in range(len(sizes)):
        for _ in range(sizes[group]):
            groups[at[texts[i]]], ordered[at[texts[i]]] = group, places[i]
            at[texts[i]] += 1
            i += 1
    for member in range(len(numbers)):
        _sort_by_place(
            groups[starts[member] : starts[member + 1]], ordered[starts[member] : starts[member + 1]]
        )
    return numbers, starts, groups, ordered


@compiled
def _sort_by_place(groups: NDArray[np.int64], places: NDArray[np.int32]) -> None:
    """Order one member's entries; bands (no place) come last."""
    keys = places.astype(np.int64)
    keys[keys < 0] = np.int64(1) << 40
    order = np.argsort(keys, kind="mergesort")
    groups[:], places[:] = groups[order], places[order]


def _gather(
    numbers: NDArray[np.int64], sets: list[Sets], threads: int | None
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The sets of the members, each in order, and where they begin."""
    first = np.cumsum([0, *(len(part.starts) - 1 for part in sets)])
    edges = np.searchsorted(numbers, first)
    own = [numbers[edges[b] : edges[b + 1]] - first[b] for b in range(len(sets))]
    sizes = [np.diff(part.starts)[mine] for part, mine in zip(sets, own, strict=True)]
    starts = np.concatenate(([0], np.cumsum(np.concatenate([np.empty(0, np.int64), *sizes]))))
    hashes = np.empty(starts[-1], np.uint64)

    def work(block: int) -> None:
        _copy_in_order(sets[block], own[block], hashes[starts[edges[block]] :])
        sets[block] = NONE

    for _ in over(work, range(len(sets)), threads):
        pass
    return hashes, starts


@compiled
def _copy_in_order(sets: Sets, own: NDArray[np.int64], hashes: NDArray[np.uint64]) -> None:
    at = 0
    for text in own:
        begin = at
        for h in sets.hashes[sets.starts[text] : sets.starts[text + 1]]:
            hashes[at] = h
            at += 1
        hashes[begin:at].sort()
