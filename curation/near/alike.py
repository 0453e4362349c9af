"""Which texts are similar to any other one at all: only their rows need a closer look.

Leaders, as in Hartigan's leader algorithm ("Clustering algorithms", 1975): a text is a leader unless it is
similar to an earlier one. Who is similar to anybody is a follower, or a leader with a follower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled
from curation.near.join import Asked, add, ask, more, ready, similarity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index


def alike(index: Index, threshold: float) -> NDArray[np.int64]:
    """The members that are similar to another one, ascending.

    A cluster costs as many comparisons as it has members, because only leaders are looked up.
    """
    return np.flatnonzero(_alike(index, ready(index), threshold))


@compiled
def _alike(index: Index, asked: Asked, threshold: float) -> NDArray[np.bool_]:
    found = np.zeros(len(index.numbers), np.bool_)
    followers = np.empty(len(found), np.int64)
    count = 0
    for member in range(len(found)):
        if _follows(index, asked, member, threshold, found):
            followers[count] = member
            count += 1
        else:
            add(index, asked, member)
    # A leader may be similar to an earlier follower, which was not looked up.
    for member in followers[:count]:
        _follows(index, asked, member, threshold, found)
    return found


@compiled
def _follows(index: Index, asked: Asked, member: int, threshold: float, found: NDArray[np.bool_]) -> bool:
    """Mark a member and the leaders that are similar to it; whether there are any."""
    follows = False
    ask(index, asked, member)
    while more(index, asked, member, threshold):
        for other in asked.found[: asked.cursor[2]]:
            if follows and found[other]:
                continue
            if similarity(index, member, other, threshold) > 0.0:
                follows = found[member] = found[other] = True
    return follows
