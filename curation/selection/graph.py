"""The nearest neighbours of every text: a sparse graph instead of a similarity for every pair."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.selection.vectors import Postings, Vectors, invert, transpose

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMMON = 2_000
BLOCK = 4_096
BINS = 256


class Graph(NamedTuple):
    """For each text the texts that have it as a neighbour, itself among them.

    Attributes:
        starts: Where each text begins in the other two, and where the last one ends (texts + 1,).
        texts: Text numbers, ascending for each text (edges,), int32.
        similarity: Similarities (edges,), float32.
    """

    starts: NDArray[np.int64]
    texts: NDArray[np.int32]
    similarity: NDArray[np.float32]


def neighbours(vectors: Vectors, most: int, threads: int | None = None) -> Graph:
    """Join each text to those most similar to it, `most` at most; the lower number wins a tie.

    Words that more than 2,000 texts have do not count here: they cost most and tell least, and without them
    the cost grows with the number of texts.

    Args:
        vectors: The vectors.
        most: Neighbours of a text, itself included.
        threads: How many; as many as there are processors unless given. The graph does not depend on it.
    """
    postings = invert(vectors)
    common = int(np.searchsorted(vectors.frequency, COMMON, side="right"))
    blocks = range(0, vectors.total, BLOCK)

    def block(first: int) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
        return _nearest(vectors, postings, common, first, min(first + BLOCK, vectors.total), most)

    found = zip(*over(block, blocks, threads), strict=True)
    sizes, texts, similarity = (np.concatenate(parts) for parts in found)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    return Graph(*transpose(starts, texts, similarity, vectors.total))


@compiled
def _nearest(
    vectors: Vectors, postings: Postings, common: int, first: int, end: int, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    shared, met = np.zeros(len(vectors.starts) - 1), np.empty(len(vectors.starts), np.int32)
    sizes = np.zeros(end - first, np.int64)
    texts, similarity = np.empty((end - first) * most, np.int32), np.empty((end - first) * most, np.float32)
    kept = 0
    for text in range(first, end):
        count = 0
        for at in range(vectors.starts[text], vectors.starts[text + 1]):
            term = vectors.terms[at]
            if term >= common:
                break
            weight = np.float64(vectors.weights[at])
            for entry in range(postings.starts[term], postings.starts[term + 1]):
                other = postings.texts[entry]
                met[count] = other  # without a branch, which the processor could not foresee
                count += shared[other] == 0
                shared[other] += weight * postings.weights[entry]
        for other in _most_similar(shared, met[:count], most):
            texts[kept], similarity[kept] = other, shared[other]
            kept += 1
            sizes[text - first] += 1
        shared[met[:count]] = 0
    return sizes, texts[:kept].copy(), similarity[:kept].copy()


@compiled
def _most_similar(shared: NDArray[np.float64], met: NDArray[np.int32], most: int) -> NDArray[np.int32]:
    """Those of the texts met that share most; counted into bins, so that few have to be put in order."""
    if len(met) <= most:
        return met
    counts = np.zeros(BINS + 1, np.int64)
    for other in met:
        counts[_bin(shared[other])] += 1
    lowest, above = BINS, counts[BINS]
    while above < most:
        lowest -= 1
        above += counts[lowest]
    near, size = np.empty(above, np.int32), 0
    for other in met:
        if _bin(shared[other]) >= lowest:
            near[size] = other
            size += 1
    bar = np.sort(shared[near])[size - most]
    better, ties = near[shared[near] > bar], np.sort(near[shared[near] == bar])
    return np.concatenate((better, ties[: most - len(better)]))


@compiled
def _bin(similarity: float) -> int:
    return min(BINS, int(similarity * BINS))
