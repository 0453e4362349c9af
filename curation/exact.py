"""Exact and normalised duplicates out: by hash, confirmed on the text, the best row of each kind stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curation.best import best_first
from curation.labels import labels
from curation.near.index import perhaps_shared
from curation.near.sameness import same, signatures

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.best import Keep
    from curation.ids import Ids


def exact_partners(
    rows: pl.DataFrame, ids: Ids, *, keep: Keep = "best", old: int = 0, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each row that goes the row that stays in its place.

    Two rows are equal when their turns are: roles and other fields as they are, contents NFKC-normalised and
    in lower case with white space as one space. What labels them (see `curation.labels`) is equal, too.

    Args:
        rows: Rows with schema ROWS.
        ids: Their ids.
        keep: Which one of equal rows stays.
        old: The first so many rows are preferred to the others.
        threads: At most so many; all there are unless given.

    Returns:
        The partner of each row, -1 where it stays, and whether the two are the same to the letter (rows,).
    """
    partner = np.full(rows.height, -1, np.int64)
    raw = np.zeros(rows.height, np.bool_)
    members, kind = _with_equal_hashes(signatures(rows["messages"], threads))
    kind = _with_equal_labels(kind, labels(rows["meta"].gather(members)))
    if not len(members):
        return partner, raw
    rank = np.empty(len(members), np.int64)
    rank[best_first(rows, members, ids, keep=keep, old=old)] = np.arange(len(members))
    ordered = np.lexsort((rank, kind))
    members, kind = members[ordered], kind[ordered]
    first = np.concatenate(([True], kind[1:] != kind[:-1]))
    kept = members[np.maximum.accumulate(np.where(first, np.arange(len(members)), 0))]
    goes, stays = members[~first], kept[~first]
    equal = same(rows["messages"], goes, stays)
    goes, stays = goes[equal], stays[equal]
    partner[goes] = stays
    raw[goes] = (ids.of(goes) == ids.of(stays)).to_numpy()
    return partner, raw


def _with_equal_hashes(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows that share their hash with another one, those of one hash together, and which hash that is."""
    members = np.flatnonzero(perhaps_shared(hashes))
    members = members[np.argsort(hashes[members], kind="stable")]
    own = hashes[members]
    kind = np.cumsum(np.concatenate(([0], own[1:] != own[:-1]))) if len(own) else members
    several = np.bincount(kind)[kind] > 1
    return members[several], kind[several]


def _with_equal_labels(kind: NDArray[np.int64], said: pl.Series) -> NDArray[np.int64]:
    """Another kind for rows of one kind whose labels differ."""
    if said.null_count() == len(said):
        return kind
    number = said.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()
    parted: NDArray[np.int64] = kind * (int(number.max()) + 1) + number
    return parted
