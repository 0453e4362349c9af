"""How many texts have a shingle, bucket by bucket: for the search of templates and the order of shingles."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.bits import U1

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curation.near.shingling import Sets

BUCKETS = np.uint64(1 << 16)
LEAST_RARE, MOST_RARE = 16, 24


class Counts(NamedTuple):
    """How many texts have a shingle of each bucket: at least as many as have any one of them.

    Attributes:
        frequent: For the search of templates (BUCKETS,), uint32.
        rare: For the order of shingles, up to 255 (a power of two,), uint8.
    """

    frequent: NDArray[np.uint32]
    rare: NDArray[np.uint8]


def counted(sets: Sequence[Sets], threads: int | None) -> Counts:
    """Count the shingles of all texts; each thread has tables of its own, because they would lose counts."""
    own = threading.local()
    tables: list[Counts] = []
    shingles = sum(len(part.hashes) for part in sets)
    rare = 1 << min(MOST_RARE, max(LEAST_RARE, shingles.bit_length()))

    def work(block: int) -> None:
        part = sets[block]
        if not hasattr(own, "counts"):
            own.counts = Counts(np.zeros(int(BUCKETS), np.uint32), np.zeros(rare, np.uint8))
            tables.append(own.counts)
        _count(part.hashes, own.counts.frequent, own.counts.rare)

    for _ in over(work, range(len(sets)), threads):
        pass
    for other in tables[1:]:
        _merge(tables[0], other)
    return tables[0]


@compiled
def _count(hashes: NDArray[np.uint64], frequent: NDArray[np.uint32], rare: NDArray[np.uint8]) -> None:
    last = np.uint64(len(rare) - 1)
    for h in hashes:
        frequent[h & (BUCKETS - U1)] += np.uint32(1)
        slot = h & last
        rare[slot] += rare[slot] < 255


@compiled
def _merge(total: Counts, other: Counts) -> None:
    for i in range(len(total.frequent)):
        total.frequent[i] += other.frequent[i]
    for i in range(len(total.rare)):
        total.rare[i] = min(255, int(total.rare[i]) + int(other.rare[i]))
