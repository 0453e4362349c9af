"""k-center by farthest-first traversal (Gonzalez, 1985): each pick is the text least like those before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled
from curation.selection.nearest import Picked, add, empty, nearest
from curation.selection.queue import drop_first, order, sink, worth_a_look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.limits import Limits
    from curation.selection.vectors import Vectors

FIRST = 0.05


def farthest_first(
    vectors: Vectors,
    density: NDArray[np.float64],
    allowed: NDArray[np.int32],
    limits: Limits,
    prior: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pick texts farthest-first, beginning with the densest unless some are picked already.

    Lazily, and yet exactly: a text's distance to the picks only falls, so the distance it had when it was
    last looked at is an upper bound, and only texts whose bound is the greatest are looked at again.

    Args:
        vectors: The vectors.
        density: Of each text (texts,).
        allowed: Text numbers that may be picked.
        limits: How many, of what cost, with which weights.
        prior: Text numbers that count as picked before.

    Returns:
        Text numbers in the order they were picked, and the gain of each: its distance to the picks before
        it, 0 to 1, times its weight. The first one, without a prior, gains its whole weight.
    """
    picked = empty(vectors, len(prior) + limits.most)
    for text in prior:
        add(vectors, picked, text)
    gain = limits.weight * (np.diff(vectors.starts) > 0)  # no word: as good as covered
    fit = allowed[(limits.cost[allowed] <= limits.budget) & (limits.weight[allowed] >= limits.least)]
    first = -1
    if not len(prior) and len(fit) and limits.most:
        first = int(fit[np.argmax((density * limits.weight)[fit])])
    return _traverse(vectors, picked, allowed.copy(), gain, limits, first)


@compiled
def _traverse(
    vectors: Vectors,
    picked: Picked,
    queue: NDArray[np.int32],
    gain: NDArray[np.float64],
    limits: Limits,
    first: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    closest, since = np.zeros(len(gain)), np.zeros(len(gain), np.int32)
    gains = np.empty(limits.most)
    before, left, done = picked.size[0], limits.budget, 0
    if first >= 0:
        add(vectors, picked, first)
        gains[0], gain[first] = limits.weight[first], -1.0
        left, done = left - limits.cost[first], 1
    order(queue, gain)
    size = worth_a_look(queue, gain, len(queue), limits, left)
    while size and done < limits.most:
        text = queue[0]
        if since[text] < picked.size[0] and gain[text] > 0:
            enough = max(FIRST, 2 * closest[text])
            closest[text], whole = nearest(vectors, picked, text, since[text], closest[text], enough)
            since[text] = picked.size[0] if whole else since[text]
            gain[text] = limits.weight[text] * max(0.0, 1 - closest[text])
            sink(queue, gain, 0, size)
        else:
            add(vectors, picked, text)
            gains[done] = gain[text]
            left, done = left - limits.cost[text], done + 1
            size = drop_first(queue, gain, size)
        size = worth_a_look(queue, gain, size, limits, left)
    return picked.texts[before : before + done].astype(np.int64), gains[:done]
