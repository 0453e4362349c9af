"""Facility location by lazy greedy (Minoux, 1978): each pick brings the other texts nearest to a pick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled
from curation.selection.graph import Graph, neighbours
from curation.selection.nearest import coverage
from curation.selection.queue import drop_first, order, sink, worth_a_look

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.limits import Limits
    from curation.selection.vectors import Vectors

NEIGHBOURS = 50


def facility(
    vectors: Vectors,
    allowed: NDArray[np.int32],
    limits: Limits,
    prior: NDArray[np.int32],
    threads: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pick the texts that raise the sum of all similarities to the nearest pick most.

    Args:
        vectors: The vectors.
        allowed: Text numbers that may be picked.
        limits: How many, of what cost, with which weights.
        prior: Text numbers that count as picked before.
        threads: For the neighbours; the picks do not depend on it.

    Returns:
        Text numbers in the order they were picked, and the gain of each: what it adds to the sum of the
        similarities, times its weight.
    """
    graph = neighbours(vectors, NEIGHBOURS, threads)
    near = np.zeros(vectors.total)
    if len(prior):
        near = coverage(vectors, prior, np.arange(vectors.total))
    return _greedy(graph, allowed.copy(), near, limits)


@compiled
def _greedy(
    graph: Graph, queue: NDArray[np.int32], near: NDArray[np.float64], limits: Limits
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    gain, since = np.zeros(len(near)), np.zeros(len(near), np.int32)
    for text in queue:
        gain[text] = limits.weight[text] * _added(graph, near, text)
    order(queue, gain)
    picks, gains = np.empty(limits.most, np.int64), np.empty(limits.most)
    left, done = limits.budget, 0
    size = worth_a_look(queue, gain, len(queue), limits, left)
    while size and done < limits.most:
        text = queue[0]
        if since[text] < done:
            gain[text], since[text] = limits.weight[text] * _added(graph, near, text), done
            sink(queue, gain, 0, size)
        else:
            picks[done], gains[done] = text, gain[text]
            left, done = left - limits.cost[text], done + 1
            _draw_near(graph, near, text)
            size = drop_first(queue, gain, size)
        size = worth_a_look(queue, gain, size, limits, left)
    return picks[:done], gains[:done]


@compiled
def _added(graph: Graph, near: NDArray[np.float64], text: int) -> float:
    """What a pick would add to the sum of the similarities to the nearest pick."""
    total = 0.0
    for edge in range(graph.starts[text], graph.starts[text + 1]):
        total += max(0.0, np.float64(graph.similarity[edge]) - near[graph.texts[edge]])
    return total


@compiled
def _draw_near(graph: Graph, near: NDArray[np.float64], text: int) -> None:
    for edge in range(graph.starts[text], graph.starts[text + 1]):
        near[graph.texts[edge]] = max(near[graph.texts[edge]], np.float64(graph.similarity[edge]))
