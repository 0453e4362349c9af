"""Connected components of similar texts, by union-find.

Tarjan, "Efficiency of a good but not linear set union algorithm" (1975).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled
from curation.near.bits import ODD1, mix
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
def joined(
    parents: NDArray[np.int64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Put the ends of each edge into one component; the smallest element of each one's component."""
    for k in range(len(left)):
        a, b = root(parents, left[k]), root(parents, right[k])
        parents[max(a, b)] = min(a, b)
    for x in range(len(parents)):
        parents[x] = root(parents, x)
    return parents


def components(prompts: Index, answers: Index, of: NDArray[np.int64], threshold: float) -> NDArray[np.int64]:
    """The smallest member of each member's component (members,).

    Args:
        prompts: The texts that must be similar.
        answers: Other texts of the same rows that must be similar, too.
        of: The member of `answers` that belongs to each member of `prompts`, or -1 (members,).
        threshold: Smallest similarity of both.
    """
    copies = first_equal(prompts, answers, of)
    return _components(prompts, answers, of, copies, ready(prompts), threshold)


def first_equal(prompts: Index, answers: Index, of: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each member of `prompts` the first one with the same sets: who is like one is like the other."""
    own = signatures(answers)
    both = mix_two(signatures(prompts), np.where(of >= 0, np.append(own, 0)[of], 0).astype(np.uint64))
    _, first, inverse = np.unique(both, return_index=True, return_inverse=True)
    return first[inverse]


@compiled
def signatures(index: Index) -> NDArray[np.uint64]:
    """A hash of each member's set (members,)."""
    found = np.zeros(len(index.numbers), np.uint64)
    for member in range(len(found)):
        for h in index.hashes[index.sets[member] : index.sets[member + 1]]:
            found[member] += mix(h)
    return found


@compiled
def mix_two(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """One hash of each pair of hashes."""
    both = np.empty_like(left)
    for i in range(len(left)):
        both[i] = mix(left[i] * ODD1 + right[i])
    return both


@compiled
def _components(
    prompts: Index,
    answers: Index,
    of: NDArray[np.int64],
    copies: NDArray[np.int64],
    asked: Asked,
    threshold: float,
) -> NDArray[np.int64]:
    parents = np.arange(len(prompts.numbers))
    for member in range(len(parents)):
        if of[member] < 0:
            continue
        if is_copy(prompts, answers, of, member, copies[member]):
            parents[member] = copies[member]
            continue
        ask(prompts, asked, member)
        while more(prompts, asked, member, threshold):
            for other in asked.found[: asked.cursor[2]]:
                a, b = root(parents, member), root(parents, other)
                if a == b or similarity(prompts, member, other, threshold) == 0.0:
                    continue
                if similarity(answers, of[member], of[other], threshold) > 0.0:
                    parents[max(a, b)] = min(a, b)
        add(prompts, asked, member)
    return joined(parents, np.empty(0, np.int64), np.empty(0, np.int64))


@compiled
def is_copy(prompts: Index, answers: Index, of: NDArray[np.int64], member: int, first: int) -> bool:
    """Whether an earlier member really has the same two sets, not only the same hash of them."""
    if first == member or of[first] < 0:
        return False
    return (
        similarity(prompts, member, first, 1.0) == 1.0
        and similarity(answers, of[member], of[first], 1.0) == 1.0
    )
