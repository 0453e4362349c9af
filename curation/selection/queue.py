"""A queue of texts by a bound of their gain: the greatest first, the lowest number where two are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.compiled import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curation.selection.limits import Limits


@compiled
def order(queue: NDArray[np.int32], gain: NDArray[np.float64]) -> None:
    """Make an array of text numbers (texts,) a queue by their gains."""
    for place in range(len(queue) // 2 - 1, -1, -1):
        sink(queue, gain, place, len(queue))


@compiled
def sink(queue: NDArray[np.int32], gain: NDArray[np.float64], place: int, size: int) -> None:
    """Move the text at a place down to where its gain belongs; the queue has `size` texts."""
    text = queue[place]
    child = 2 * place + 1
    while child < size:
        if child + 1 < size and _before(gain, queue[child + 1], queue[child]):
            child += 1
        if not _before(gain, queue[child], text):
            break
        queue[place] = queue[child]
        place, child = child, 2 * child + 1
    queue[place] = text


@compiled
def drop_first(queue: NDArray[np.int32], gain: NDArray[np.float64], size: int) -> int:
    """Take the first text off a queue of `size`; the size that is left."""
    queue[0] = queue[size - 1]
    sink(queue, gain, 0, size - 1)
    return size - 1


@compiled
def worth_a_look(
    queue: NDArray[np.int32], gain: NDArray[np.float64], size: int, limits: Limits, left: int
) -> int:
    """Drop texts that cost more than is left off the front; the size then, 0 if the next gain is small."""
    while size and limits.cost[queue[0]] > left and gain[queue[0]] >= limits.least:
        size = drop_first(queue, gain, size)
    return size if size and gain[queue[0]] >= limits.least else 0


@compiled
def _before(gain: NDArray[np.float64], a: int, b: int) -> bool:
    return gain[a] > gain[b] or (gain[a] == gain[b] and a < b)
