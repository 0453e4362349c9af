"""How much may be picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Limits(NamedTuple):
    """How much may be picked, and what a text is worth.

    Attributes:
        most: Picks at most.
        budget: Sum of the picks' costs at most.
        cost: Cost of each text (texts,).
        weight: What each text's gain is multiplied by (texts,), at least 0.
        least: Picking ends where the next gain is smaller.
    """

    most: int
    budget: int
    cost: NDArray[np.int64]
    weight: NDArray[np.float64]
    least: float
