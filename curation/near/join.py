"""The join: candidates from the index, filtered by length, place and bitmap, verified by their sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.bits import ones
from curation.near.filters import BITMAP
from curation.near.prefixes import EPSILON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index

BATCH = 64
SAME = 1e-12


class Asked(NamedTuple):
    """The state of questions to an index.

    Attributes:
        posted: For each posting its member, its place, and the size of its set (entries, 3), int32.
        spans: Where the postings of each group begin and end by now (groups, 2).
        seen: The last member that met this one (members,).
        cursor: The entry and the posting where the question goes on, and the number of candidates (3,).
        found: Candidates (BATCH,).
    """

    posted: NDArray[np.int32]
    spans: NDArray[np.int64]
    seen: NDArray[np.int64]
    cursor: NDArray[np.int64]
    found: NDArray[np.int64]


def ready(index: Index) -> Asked:
    """An index that holds nobody yet."""
    entries, members = len(index.groups), len(index.numbers)
    return Asked(
        np.empty((entries, 3), np.int32),
        np.repeat(index.posts[:-1, None], 2, axis=1),
        np.full(members, -1, np.int64),
        np.zeros(3, np.int64),
        np.empty(BATCH, np.int64),
    )


@compiled
def add(index: Index, asked: Asked, member: int) -> None:
    """Let a member be found from now on."""
    posted, spans, groups, places = asked.posted, asked.spans, index.groups, index.places
    size = index.sets[member + 1] - index.sets[member]
    for e in range(index.starts[member], index.starts[member + 1]):
        at = spans[groups[e], 1]
        posted[at, 0], posted[at, 1], posted[at, 2] = member, places[e], size
        spans[groups[e], 1] = at + 1


@compiled
def load(index: Index, asked: Asked, member: int) -> int:
    """How many postings a question must look at."""
    groups, spans = index.groups, asked.spans
    total = 0
    for e in range(index.starts[member], index.starts[member + 1]):
        total += spans[groups[e], 1] - spans[groups[e], 0]
    return total


@compiled
def ask(index: Index, asked: Asked, member: int) -> None:
    """Begin a question: who that was added is like this member?"""
    asked.cursor[0], asked.cursor[1] = index.starts[member], 0


@compiled
def more(index: Index, asked: Asked, member: int, threshold: float) -> bool:
    """Put the next candidates into `found`; whether there are any.

    A shingle that is not the first one that two members share promises less than that one did, so whom it
    still lets through was let through before. The loops stand in one function, because handing an index to
    another one costs more than they do.
    """
    groups, places, sets, bitmaps = index.groups, index.places, index.sets, index.bitmaps
    posted, spans, seen = asked.posted, asked.spans, asked.seen
    size = sets[member + 1] - sets[member]
    part = threshold / (1 + threshold)
    e, i, count = asked.cursor[0], asked.cursor[1], 0
    while e < index.starts[member + 1] and count < BATCH:
        at, end = spans[groups[e], 0] + i, spans[groups[e], 1]
        place = places[e]
        while at < end and count < BATCH:
            other, their_place, their_size = posted[at, 0], posted[at, 1], posted[at, 2]
            at += 1
            both = size + their_size
            common = part * both - EPSILON
            most = min(size - max(0, place), their_size - max(0, their_place))
            if most < common or seen[other] == member or other == member:
                continue
            seen[other] = member
            unlike = 0
            for k in range(BITMAP):
                unlike += int(ones(bitmaps[member, k] ^ bitmaps[other, k]))
            if both - unlike >= 2 * common:
                asked.found[count] = other
                count += 1
        i = at - spans[groups[e], 0]
        if at >= end:
            e, i = e + 1, 0
    asked.cursor[0], asked.cursor[1], asked.cursor[2] = e, i, count
    return count > 0


@compiled
def similarity(index: Index, a: int, b: int, threshold: float) -> float:
    """Jaccard similarity of two members; 0 where it is below the threshold."""
    i, i_end, j, j_end = index.sets[a], index.sets[a + 1], index.sets[b], index.sets[b + 1]
    both = i_end - i + j_end - j
    common = threshold / (1 + threshold) * both - EPSILON
    shared = 0
    while i < i_end and j < j_end and shared + min(i_end - i, j_end - j) >= common:
        left, right = index.hashes[i], index.hashes[j]
        shared += left == right
        i += left <= right
        j += right <= left
    found = shared / (both - shared)
    return found if found >= threshold - SAME else 0.0
