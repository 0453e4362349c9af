"""Pairs of similar texts: every one at or above the threshold, verified, by an exact set-similarity join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.near.join import all_pairs
from curation.near.pipeline import cut, index_of, of_list

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Pairs of text numbers with `left < right`, and their Jaccard similarity, all of one length."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float64]


def similar_pairs(texts: Sequence[str], threshold: float, *, items: int = 0, threads: int | None = None) -> Pairs:
    """All pairs of texts whose shingle sets have a Jaccard similarity of at least `threshold`.

    Args:
        texts: The texts, any number; their shared templates do not count (see `curation.near.shared`).
        threshold: Smallest Jaccard similarity, above 0 and up to 1.
        items: So many of the last texts are held-out items (see `curation.near.shared.find_shared`).
        threads: At most so many; all there are unless given.

    Returns:
        The pairs in ascending order. Texts that are too short for a shingle pair with equal ones, at 1.
    """
    index = index_of(cut(*of_list(texts), items=items, threads=threads), threshold, threads)
    left, right, similarity = all_pairs(index, threshold)
    left, right = index.numbers[left], index.numbers[right]
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], similarity[order])
