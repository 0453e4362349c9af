"""The ids of rows that were read without them, worked out for those alone that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curation.rows import with_ids

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Ids:
    """The ids of rows, each worked out once.

    Args:
        rows: Rows with schema ROWS; where `id` is null it is not known yet.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        self._rows = rows.select("id", "messages")
        self._known = rows["id"]

    def of(self, numbers: NDArray[np.int64]) -> pl.Series:
        """The ids of some rows, by number (rows asked for,)."""
        found = self._known.gather(numbers)
        if found.null_count():
            new = np.unique(numbers[found.is_null().to_numpy()])
            chosen = np.zeros(self._rows.height, np.bool_)
            chosen[new] = True
            made = with_ids(self._rows.filter(pl.Series(chosen)))["id"]
            self._known = self._known.scatter(new, made)
            found = self._known.gather(numbers)
        return found


def named(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with their ids, worked out where they were read without."""
    return with_ids(rows) if rows["id"].null_count() else rows
