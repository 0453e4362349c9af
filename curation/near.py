"""Pairs of similar texts: every one at or above the threshold, verified, by an exact sparse join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from scipy import sparse

from curation.text import Shingles, shingle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLOCK = 1024


class Pairs(NamedTuple):
    """Pairs of text numbers with `left < right`, and their Jaccard similarity, all of one length."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float64]


def similar_pairs(texts: Sequence[str], threshold: float, *, items: int = 0) -> Pairs:
    """All pairs of texts whose shingle sets have a Jaccard similarity of at least `threshold`.

    The intersections of a block of texts with all others come from one sparse matrix product,
    so no pair is missed and none is reported that was not verified. Cost grows with the sum of
    squared shingle frequencies; measured in tests up to some ten thousand texts.

    Args:
        texts: The texts, any number; their shared templates do not count (see `curation.text`).
        threshold: Smallest Jaccard similarity, above 0 and up to 1.
        items: So many of the last texts are held-out items (see `curation.text.shingle`).

    Returns:
        The pairs in ascending order. Texts without shingles pair with equal ones, at similarity 1.
    """
    return join(shingle(texts, items=items), threshold)


def join(shingles: Shingles, threshold: float) -> Pairs:
    """`similar_pairs` on texts that are cut already."""
    sizes = np.diff(shingles.sets.indptr).astype(np.int64)
    transposed = shingles.sets.T.tocsr()
    parts = [_equal(shingles)]
    for start in range(0, len(sizes), BLOCK):
        common = (shingles.sets[start : start + BLOCK] @ transposed).tocoo()
        parts.append(_at_least(common, start, sizes, threshold))
    left, right, similarity = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], similarity[order])


def _at_least(common: sparse.coo_matrix, start: int, sizes: NDArray[np.int64], threshold: float) -> Pairs:
    left, right = common.row.astype(np.int64) + start, common.col.astype(np.int64)
    above = left < right
    left, right, both = left[above], right[above], common.data[above].astype(np.int64)
    similarity = both / (sizes[left] + sizes[right] - both)
    near = similarity >= threshold - 1e-12
    return Pairs(left[near], right[near], similarity[near])


def _equal(shingles: Shingles) -> Pairs:
    """Pairs of equal texts among those that have no shingles to compare."""
    short = np.flatnonzero(~shingles.comparable)
    groups = pl.DataFrame({"row": short, "key": [shingles.keys[i] for i in short]}).group_by("key").agg("row")
    left: list[int] = []
    right: list[int] = []
    for members in groups["row"].to_list():
        ordered = sorted(members)
        left += [a for i, a in enumerate(ordered) for _ in ordered[i + 1 :]]
        right += [b for i, _ in enumerate(ordered) for b in ordered[i + 1 :]]
    return Pairs(np.array(left, np.int64), np.array(right, np.int64), np.ones(len(left)))


def components(count: int, pairs: Pairs) -> NDArray[np.int64]:
    """Label of the connected component of each of `count` texts, the edges being `pairs`."""
    graph = sparse.coo_matrix((np.ones(len(pairs.left), np.int8), (pairs.left, pairs.right)), (count, count))
    labels: NDArray[np.int64] = sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)
    return labels
