"""The old rows that new ones meet when a snapshot grows: all of them, or the few that an index finds.

Which rows these are never changes the result: whoever is like a new row, is its parent or child, or has its
family is among them, and what text they share is told of all rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.manifest import decode
from curation.near.growth import extended
from curation.near.pipeline import cut, of_rows
from curation.near.postings import postings_of, within_reach
from curation.near.residue import without
from curation.old_index import open_index
from curation.segment import Segment, keys_of, taken_rows
from curation.stored import gone_ids, numbered_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from curation.near.shared import Shared

THRESHOLD = 0.8
"""Smallest similarity of prompts that are found, unless another is asked for."""

FEW = 20_000
"""So many old rows are looked at one by one sooner than an index is kept."""


class OldRows(NamedTuple):
    """Old rows that matter to new ones.

    Attributes:
        rows: Rows with schema ROWS, a column `split`, and one `live`: whether the snapshot still has it. The
            others went from it; they still tell to which family and split a row belongs.
        shared: Shared text of the prompts of all old and new rows.
    """

    rows: pl.DataFrame
    shared: Shared

    @property
    def live(self) -> pl.DataFrame:
        """Those that the snapshot has (schema ROWS)."""
        return self.rows.filter("live").drop("live", "split")


def meet(
    folder: Path,
    new: pl.DataFrame,
    *,
    ids: Sequence[str] = (),
    threshold: float = THRESHOLD,
    say: Callable[[str], None] | None = None,
    few: int = FEW,
) -> OldRows:
    """The rows of a snapshot that new ones may be like, made from, or in one family with.

    Args:
        folder: The snapshot.
        new: The new rows (schema ROWS).
        ids: Ids of old rows that are wanted, too.
        threshold: Smallest similarity of prompts that must be found, unless the usual one is smaller.
        say: Is told why all rows are read, where they are many.
        few: Up to so many rows are all there are to meet; of more an index is kept.

    Raises:
        UserError: The snapshot is missing or damaged.
    """
    if sum(decode(folder).splits.values()) <= few:
        return all_rows(folder, new)
    threshold = min(threshold, THRESHOLD)
    index, built = open_index(folder, threshold)
    if built and say:
        say(f"all rows of snapshot {folder.name} were indexed: {built}")
    blocks, read = of_rows(new["messages"], "prompt")
    sets = cut(blocks, read, shared=False).sets
    watched = extended(index[-1].watched, sets, read)
    if watched is None:
        if say:
            say(f"all rows of snapshot {folder.name} are compared: the new rows change what text is shared")
        return all_rows(folder, new)
    shared = watched.shared()
    asked = postings_of(without(sets, shared, read), index[0].order, threshold)
    reached = [np.flatnonzero(within_reach(part.postings, asked, threshold)) for part in index]
    numbers = _related(index, reached, keys_of(new, ids))
    found = [taken_rows(part, own) for part, own in zip(index, numbers, strict=True)]
    return OldRows(_with_life(folder, pl.concat(found)), shared)


def all_rows(folder: Path, new: pl.DataFrame) -> OldRows:
    """All rows that a snapshot has and had."""
    old = numbered_rows(folder)
    prompts = pl.concat([old["messages"], new["messages"]])
    return OldRows(_with_life(folder, old), cut(*of_rows(prompts, "prompt")).shared)


def _related(
    index: Sequence[Segment], reached: list[NDArray[np.int64]], keys: NDArray[np.uint64]
) -> list[NDArray[np.int64]]:
    """These rows with those that have a key, and with all that were made from one of them."""
    found = [np.union1d(own, part.having(keys)) for part, own in zip(index, reached, strict=True)]
    fresh = found
    while sum(map(len, fresh)):
        made = np.concatenate([part.ids[own] for part, own in zip(index, fresh, strict=True)])
        children = [part.having(made) for part in index]
        fresh = [np.setdiff1d(own, had) for own, had in zip(children, found, strict=True)]
        found = [np.union1d(own, had) for own, had in zip(fresh, found, strict=True)]
    return found


def _with_life(folder: Path, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with `live` in the place of the number of their `layer`."""
    last = gone_ids(folder).group_by("id").agg(gone=pl.col("layer").max())
    live = pl.col("gone").is_null() | (pl.col("layer") >= pl.col("gone"))
    return (
        rows.join(last, on="id", how="left", maintain_order="left")
        .with_columns(live=live)
        .drop("layer", "gone")
    )
