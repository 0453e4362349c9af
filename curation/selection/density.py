"""How dense the texts are around each, and the floor below which a text is too odd to be picked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.vectors import Vectors


def density(vectors: Vectors) -> NDArray[np.float64]:
    """Mean similarity of each text to all of them (texts,)."""
    return _density(vectors)


def above_floor(dense: NDArray[np.float64], floor: float) -> NDArray[np.int32]:
    """Numbers of the texts that are left when the `floor` share of them that is least dense is taken out.

    A text without a word that tells it from others is below any floor; it does not count for the share.
    """
    worded = dense > 0
    if not floor or not worded.any():
        return np.arange(len(dense), dtype=np.int32)
    lowest = np.quantile(dense[worded], floor)
    return np.flatnonzero(worded & (dense >= lowest)).astype(np.int32)


@compiled
def _density(vectors: Vectors) -> NDArray[np.float64]:
    centre = np.zeros(len(vectors.frequency))
    for entry in range(len(vectors.terms)):
        centre[vectors.terms[entry]] += vectors.weights[entry]
    count = len(vectors.starts) - 1
    found = np.zeros(count)
    for text in range(count):
        for entry in range(vectors.starts[text], vectors.starts[text + 1]):
            found[text] += vectors.weights[entry] * centre[vectors.terms[entry]]
    return found / count
