"""Connected components of similar texts, by union-find: Tarjan, "Efficiency of a good but not linear set union" (1975)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.near.compiled import compiled
from curation.near.join import Asked, add, ask, more, ready, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index


@compiled
def root(parents: NDArray[np.int64], x: int) -> int:
    """The representative of an element's component; the way to it is halved."""
    while parents[x] != x:
        parents[x] = parents[parents[x]]
        x = parents[x]
    return x


@compiled
def join_edges(parents: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]) -> None:
    """Put the ends of each edge into one component; the smallest element stands for it."""
    for k in range(len(left)):
        a, b = root(parents, left[k]), root(parents, right[k])
        parents[max(a, b)] = min(a, b)


def components(prompts: Index, answers: Index, of: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """The smallest member of each member's component (members,).

    Args:
        prompts: The texts that must be similar.
        answers: Other texts of the same rows that must be similar, too.
        of: The member of `answers` that belongs to each member of `prompts`, or -1 (members,).
        threshold: Smallest similarity of both.
    """
    return _components(prompts, answers, of, ready(prompts), threshold)


@compiled
def _components(
    prompts: Index, answers: Index, of: NDArray[np.int64], asked: Asked, threshold: float
) -> NDArray[np.int64]:
    parents = np.arange(len(prompts.numbers))
    for member in range(len(parents)):
        ask(prompts, asked, member)
        copied = of[member] < 0
        while not copied and more(prompts, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                a, b = root(parents, member), root(parents, other)
                if a == b or of[other] < 0:
                    continue
                first = similarity(prompts, member, other, threshold)
                second = similarity(answers, of[member], of[other], threshold) if first > 0.0 else 0.0
                if second > 0.0:
                    parents[max(a, b)] = min(a, b)
                if first == 1.0 and second == 1.0:
                    copied = True  # whoever is like this member is like the other one
                    break
        if not copied:
            add(prompts, asked, member)
    for member in range(len(parents)):
        parents[member] = root(parents, member)
    return parents
