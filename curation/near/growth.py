"""Shared text of old and new texts together, from counts of the old ones: the same as of all, or unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.near.shared import Shared, frequent, least_rows, tells, texts_in, told_without

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curation.near.counts import Counts
    from curation.near.shingling import Sets
    from curation.near.texts import Texts


class Watched(NamedTuple):
    """Shingles of the old texts that are frequent, or may become so when texts are added.

    Attributes:
        texts: How many texts were counted, and from how many on a shingle is here (2,).
        hashes: The shingles in ascending order.
        rows: In how many texts each is.
        told: The texts that have each frequent one, and those of them that keep 3 words without any of the
            frequent ones (2, shingles); 0 for the others.
        examples: A text that has each frequent one, or -1 (shingles,).
    """

    texts: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]
    told: NDArray[np.int64]
    examples: NDArray[np.int64]

    def frequent(self) -> NDArray[np.bool_]:
        """Which shingles are frequent among the old texts."""
        often: NDArray[np.bool_] = self.rows >= least_rows(int(self.texts[0]))
        return often

    def shared(self) -> Shared:
        """The frequent ones that are shared text."""
        often = self.frequent()
        (chosen,) = np.nonzero(often)
        chosen = chosen[tells(self.told[:, often])]
        return Shared(self.hashes[chosen], self.rows[chosen], self.examples[chosen])


def watch(
    sets: Sequence[Sets], counts: Counts, read: Callable[[int], Texts], threads: int | None = None
) -> Watched:
    """Count the shingles of old texts that half as many texts have as make a shingle frequent.

    Args:
        sets: Their shingle sets with all text, block by block.
        counts: See `curation.near.counts.counted`.
        read: The texts of a block.
        threads: At most so many; all there are unless given.
    """
    texts = texts_in(sets)
    floor = least_rows(texts) // 2
    hashes, rows = frequent(sets, counts, floor)
    often = rows >= least_rows(texts)
    told, examples = np.zeros((2, len(hashes)), np.int64), np.full(len(hashes), -1)
    if often.any():
        telling = told_without(sets, hashes[often], read, threads=threads)
        told[:, often], examples[often] = telling.everyone, telling.examples
    return Watched(np.array([texts, floor]), hashes, rows, told, examples)


def still_shared(
    old: Watched, sets: Sequence[Sets], read: Callable[[int], Texts], threads: int | None = None
) -> Shared | None:
    """Shared text of old and new texts, where it is that of the old ones; otherwise None.

    Args:
        old: See `watch`.
        sets: The shingle sets of the new texts with all text, block by block.
        read: The new texts of a block.
        threads: At most so many; all there are unless given.
    """
    both = extended(old, sets, read, threads)
    return None if both is None else both.shared()


def extended(
    old: Watched, sets: Sequence[Sets], read: Callable[[int], Texts], threads: int | None = None
) -> Watched | None:
    """What is watched of old and new texts, where their shared text is that of the old ones; otherwise None.

    A shingle that is not watched is in fewer old texts than `texts[1]`, so it can only have become frequent
    if the new texts have it often. The arguments are those of `still_shared`.
    """
    texts = int(old.texts[0]) + texts_in(sets)
    hashes, counts = np.unique(np.concatenate([part.hashes for part in sets]), return_counts=True)
    _, here, there = np.intersect1d(old.hashes, hashes, assume_unique=True, return_indices=True)
    rows, told = old.rows.copy(), old.told.copy()
    rows[here] += counts[there]
    floor = int(old.texts[1] + np.delete(counts, there).max(initial=0))
    often = old.frequent()
    if floor > least_rows(texts) or ((rows >= least_rows(texts)) != often).any():
        return None
    if often.any():
        told[:, often] += told_without(sets, old.hashes[often], read, threads=threads).everyone
    if (tells(told[:, often]) != tells(old.told[:, often])).any():
        return None
    return old._replace(texts=np.array([texts, floor]), rows=rows, told=told)
