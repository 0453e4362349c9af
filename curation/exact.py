"""Exact and normalised duplicates out: by hash, confirmed on the text, the best row of each kind stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.best import best_first
from curation.near.index import perhaps_shared
from curation.near.sameness import same, signatures

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from curation.best import Keep


def exact_partners(
    rows: pl.DataFrame, *, keep: Keep = "best", old: int = 0, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """For each row that goes the row that stays in its place.

    Two rows are equal when their turns are: roles and other fields as they are, contents NFKC-normalised and
    in lower case with white space as one space.

    Args:
        rows: Rows with schema ROWS.
        keep: Which one of equal rows stays.
        old: The first so many rows are preferred to the others.
        threads: At most so many; all there are unless given.

    Returns:
        The partner of each row, -1 where it stays, and whether the two are the same to the letter (rows,).
    """
    partner = np.full(rows.height, -1, np.int64)
    raw = np.zeros(rows.height, np.bool_)
    hashes = signatures(rows["messages"], threads)
    members = np.flatnonzero(perhaps_shared(hashes))
    members = members[np.argsort(hashes[members], kind="stable")]
    own = hashes[members]
    first = np.concatenate(([True], own[1:] != own[:-1])) if len(own) else np.empty(0, np.bool_)
    kind = np.cumsum(first) - 1
    several = np.bincount(kind)[kind] > 1
    members, kind = members[several], kind[several]
    if not len(members):
        return partner, raw
    rank = np.empty(len(members), np.int64)
    rank[best_first(rows, members, keep=keep, old=old)] = np.arange(len(members))
    ordered = np.lexsort((rank, kind))
    members, kind = members[ordered], kind[ordered]
    first = np.concatenate(([True], kind[1:] != kind[:-1]))
    kept = members[np.maximum.accumulate(np.where(first, np.arange(len(members)), 0))]
    goes, stays = members[~first], kept[~first]
    equal = same(rows["messages"].gather(goes), rows["messages"].gather(stays))
    goes, stays = goes[equal], stays[equal]
    partner[goes] = stays
    raw[goes] = (rows["id"].gather(goes) == rows["id"].gather(stays)).to_numpy()
    return partner, raw
