"""What is asked of a join: all pairs, the nearest item of each text, similarities of given pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from curation.compiled import compiled
from curation.near.join import Asked, add, ask, more, ready, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index

N = TypeVar("N", bound=np.generic)


def all_pairs(
    index: Index, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
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
def doubled(values: NDArray[N]) -> NDArray[N]:
    """The same values with as much room again."""
    longer = np.empty(2 * len(values), values.dtype)
    longer[: len(values)] = values
    return longer


def nearest(
    index: Index, items: NDArray[np.bool_], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
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
    for member in range(len(items)):
        if items[member]:
            add(index, asked, member)
    for member in range(len(items)):
        if items[member]:
            continue
        ask(index, asked, member)
        while more(index, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                found = similarity(index, member, other, threshold)
                if found > similar[member] or (
                    found > 0 and found == similar[member] and other < best[member]
                ):
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
