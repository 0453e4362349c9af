"""The join itself: candidates from the index, filtered by length and place, verified by their sets.

Length filter: Arasu, Ganti and Kaushik, "Efficient exact set-similarity joins" (2006). Place filter: Xiao, Wang, Lin
and Yu, "Efficient similarity joins for near duplicate detection" (PPJoin, 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.near.compiled import compiled
from curation.near.prefixes import EPSILON

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index

BATCH = 64
SAME = 1e-12


class Asked(NamedTuple):
    """The state of questions to an index.

    Attributes:
        members: Who is in the postings (entries,), int32.
        places: Their places (entries,), int32.
        filled: How many postings each group has by now (groups,).
        seen: The last member that met this one (members,).
        cursor: The entry and the posting at which the question goes on, and how many candidates there are (3,).
        found: Candidates (BATCH,).
    """

    members: NDArray[np.int32]
    places: NDArray[np.int32]
    filled: NDArray[np.int64]
    seen: NDArray[np.int64]
    cursor: NDArray[np.int64]
    found: NDArray[np.int64]


def ready(index: Index) -> Asked:
    """An index that holds nobody yet."""
    entries, members = len(index.groups), len(index.numbers)
    return Asked(
        np.empty(entries, np.int32),
        np.empty(entries, np.int32),
        np.zeros(len(index.posts) - 1, np.int64),
        np.full(members, -1, np.int64),
        np.zeros(3, np.int64),
        np.empty(BATCH, np.int64),
    )


@compiled
def add(index: Index, asked: Asked, member: int) -> None:
    """Let a member be found from now on."""
    for e in range(index.starts[member], index.starts[member + 1]):
        group = index.groups[e]
        at = index.posts[group] + asked.filled[group]
        asked.members[at], asked.places[at] = member, index.places[e]
        asked.filled[group] += 1


@compiled
def load(index: Index, asked: Asked, member: int) -> int:
    """How many postings a question must look at."""
    total = 0
    for e in range(index.starts[member], index.starts[member + 1]):
        total += asked.filled[index.groups[e]]
    return total


@compiled
def ask(index: Index, asked: Asked, member: int) -> None:
    """Begin a question: who that was added is like this member?"""
    asked.cursor[0], asked.cursor[1] = index.starts[member], 0
    asked.seen[member] = member


@compiled
def more(index: Index, asked: Asked, member: int, threshold: float) -> bool:
    """Put the next candidates into `found`; whether there are any."""
    size = index.sets[member + 1] - index.sets[member]
    e, i = asked.cursor[0], asked.cursor[1]
    count = 0
    while e < index.starts[member + 1]:
        group = index.groups[e]
        while i < asked.filled[group]:
            at = index.posts[group] + i
            other = asked.members[at]
            i += 1
            if asked.seen[other] == member:
                continue
            asked.seen[other] = member
            if _possible(size, index.sets[other + 1] - index.sets[other], index.places[e], asked.places[at], threshold):
                asked.found[count] = other
                count += 1
                if count == len(asked.found):
                    asked.cursor[0], asked.cursor[1], asked.cursor[2] = e, i, count
                    return True
        e, i = e + 1, 0
    asked.cursor[0], asked.cursor[1], asked.cursor[2] = e, 0, count
    return count > 0


@compiled
def _possible(a: int, b: int, place_a: int, place_b: int, threshold: float) -> bool:
    """Whether sets of these sizes can be similar, if the first shingle that they share has these places."""
    common = threshold / (1 + threshold) * (a + b) - EPSILON
    if place_a < 0 or place_b < 0:
        return min(a, b) >= common
    return min(a - place_a, b - place_b) >= common


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


def all_pairs(index: Index, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Every pair of members that is similar enough: the earlier, the later, their similarity."""
    return _all_pairs(index, ready(index), threshold)


@compiled
def _all_pairs(
    index: Index, asked: Asked, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    left, right, similar = np.empty(1024, np.int64), np.empty(1024, np.int64), np.empty(1024, np.float64)
    count = 0
    for member in range(len(index.numbers)):
        ask(index, asked, member)
        while more(index, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                found = similarity(index, member, other, threshold)
                if found == 0.0:
                    continue
                if count == len(left):
                    left, right, similar = doubled(left), doubled(right), doubled(similar)
                left[count], right[count], similar[count] = other, member, found
                count += 1
        add(index, asked, member)
    return left[:count], right[:count], similar[:count]


@compiled
def doubled(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The same values with as much room again."""
    longer = np.empty(2 * len(values), values.dtype)
    longer[: len(values)] = values
    return longer


def nearest(index: Index, items: NDArray[np.bool_], threshold: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each member the item that is most like it (-1 where none is similar enough), and how similar.

    Args:
        index: The members.
        items: Which of them are items (members,); those are not asked about.
        threshold: Smallest similarity.
    """
    return _nearest(index, ready(index), items, threshold)


@compiled
def _nearest(
    index: Index, asked: Asked, items: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    best = np.full(len(items), -1, np.int64)
    similar = np.zeros(len(items), np.float64)
    for member in np.flatnonzero(items):
        add(index, asked, member)
    for member in np.flatnonzero(~items):
        ask(index, asked, member)
        while more(index, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                found = similarity(index, member, other, threshold)
                if found > similar[member] or (found > 0 and found == similar[member] and other < best[member]):
                    best[member], similar[member] = other, found
    return best, similar


@compiled
def similarities(index: Index, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """Jaccard similarity of each pair of members, however small (pairs,)."""
    found = np.empty(len(left), np.float64)
    for k in range(len(left)):
        found[k] = similarity(index, left[k], right[k], 0.0)
    return found


def count_pairs(index: Index, threshold: float, limit: int) -> int:
    """How many pairs of members are similar enough; counted up to `limit`."""
    return _count_pairs(index, ready(index), threshold, limit)


@compiled
def _count_pairs(index: Index, asked: Asked, threshold: float, limit: int) -> int:
    count = 0
    for member in range(len(index.numbers)):
        ask(index, asked, member)
        while count < limit and more(index, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                count += similarity(index, member, other, threshold) > 0.0
        add(index, asked, member)
    return min(count, limit)
