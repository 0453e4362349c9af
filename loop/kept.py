"""Rows that took a step long to make, on disk until the step is committed: whoever goes on takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from curation.files import new_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def kept(path: Path, make: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """Rows that an interrupted run of the same step left; else make them, and leave them there.

    Args:
        path: The file; its folder says which step, of which cycle, after which others.
        make: Makes the rows.

    Raises:
        UserError: The file is damaged, or the disk is full.
    """
    if path.exists():
        try:
            return pl.read_parquet(path)
        except (OSError, pl.exceptions.PolarsError) as fault:
            fix = "remove this file: the step makes its rows anew"
            raise UserError(f"kept rows are damaged: {fault}", where=str(path), fix=fix) from fault
    rows = make()
    with new_file(path) as temporary:
        rows.write_parquet(temporary)
    return rows
