"""The fate of each row, and the pairs of rows that contradict each other: how they are written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.labels import labels

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from curation.dedup import How
    from curation.near.removal import Removed

REASONS = (
    "exact duplicate",
    "normalised duplicate",
    "near duplicate",
    "conflicting answer",
    "semantic duplicate",
    "conflicting label",
)
EXACT, NORMALISED, NEAR, CONFLICTING, SEMANTIC, LABELLED = range(len(REASONS))


class Fates(NamedTuple):
    """Of each row: the partner's number or -1, similarity of prompts and of answers, one of `REASONS`."""

    partner: NDArray[np.int64]
    prompt: NDArray[np.float64]
    answer: NDArray[np.float64]
    reason: NDArray[np.uint8]


class Conflicts(NamedTuple):
    """Pairs of rows that contradict each other: the worse ones, the better ones, similarity of prompts."""

    worse: NDArray[np.int64]
    better: NDArray[np.int64]
    similar: NDArray[np.float64]


def write(
    fates: Fates,
    numbers: NDArray[np.int64],
    order: NDArray[np.int64],
    found: Removed,
    how: How,
    reason: int,
    meta: pl.Series,
) -> Conflicts:
    """Write what was removed into `fates`; the conflicts, of each row the nearest one first.

    Args:
        fates: What becomes of each row.
        numbers: The row of each member.
        order: The members, the best first.
        found: What was removed.
        how: What becomes of conflicts.
        reason: Why duplicates go.
        meta: The column `meta` of all rows, which has their labels.
    """
    goes = np.flatnonzero(found.partner >= 0)
    similar = (found.prompt[goes], found.answer[goes])
    drop(fates, numbers[goes], numbers[found.partner[goes]], similar, reason)
    rank = np.empty(len(numbers), np.int64)
    rank[order] = np.arange(len(order))
    nearest = np.lexsort((rank[found.earlier], -found.similar, rank[found.later]))
    later, earlier, close = found.later[nearest], found.earlier[nearest], found.similar[nearest]
    conflicts = Conflicts(numbers[later], numbers[earlier], close)
    _resolve(fates, conflicts, how, meta)
    return conflicts


def both(first: Conflicts, second: Conflicts) -> Conflicts:
    """All conflicts; of those that are in both the first."""
    known = set(zip(first.worse.tolist(), first.better.tolist(), strict=True))
    pairs = zip(second.worse.tolist(), second.better.tolist(), strict=True)
    new = np.array([pair not in known for pair in pairs], np.bool_)
    return Conflicts(*(np.concatenate([a, b[new]]) for a, b in zip(first, second, strict=True)))


def _resolve(fates: Fates, conflicts: Conflicts, how: How, meta: pl.Series) -> None:
    """Drop the worse rows of conflicts, or both, as the policy says; the first partner of each counts."""
    if how.conflicts not in {"keep_best", "drop_all"}:
        return
    worse, better = conflicts.worse[::-1], conflicts.better[::-1]
    similar, unknown = conflicts.similar[::-1], np.full(len(worse), np.nan)
    other_label = labels(meta.gather(worse)).ne_missing(labels(meta.gather(better))).to_numpy()
    reason = np.where(other_label, LABELLED, CONFLICTING).astype(np.uint8)
    if how.conflicts == "drop_all":
        drop(fates, better, worse, (similar, unknown), reason)
    drop(fates, worse, better, (similar, unknown), reason)


def drop(
    fates: Fates,
    goes: NDArray[np.int64],
    stays: NDArray[np.int64],
    similar: tuple[NDArray[np.float64], NDArray[np.float64]],
    reason: int | NDArray[np.uint8],
) -> None:
    """Write down for which rows others go, with the similarities of prompts and of answers."""
    fates.partner[goes] = stays
    fates.prompt[goes], fates.answer[goes] = similar
    fates.reason[goes] = reason


def follow(fates: Fates, copies: NDArray[np.int64]) -> None:
    """A copy of a row that went later went for the same reason, and for the same row."""
    later = copies[fates.partner[fates.partner[copies]] >= 0]
    original = fates.partner[later]
    for column in fates:
        column[later] = column[original]
