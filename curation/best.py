"""Which of several rows is the best: the one with the higher score, then the longer, then by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.ids import Ids

Keep = Literal["best", "first"]
"""`best` is by score, length and id, and of equal messages by the other fields; `first` is by place."""

SCORE = "score"
"""The field of `meta` that has a row's score; a row without one comes after all that have one."""


def best_first(
    rows: pl.DataFrame, chosen: NDArray[np.int64], ids: Ids, *, keep: Keep = "best", old: int = 0
) -> NDArray[np.int64]:
    """The order of some rows, the best first, as places in `chosen` (rows chosen,).

    Args:
        rows: Rows with schema ROWS.
        chosen: Row numbers.
        ids: The ids of the rows.
        keep: What makes a row better than another.
        old: The first so many rows are better than all others.
    """
    # To pick out conversations takes longer than to measure all of them.
    table = rows.select("meta", "source", "line", score=_score(), length=_length())
    keys = table[chosen].with_columns(new=pl.Series(chosen >= old), row=pl.Series(chosen))
    if keep == "best":
        keys = keys.with_columns(id=ids.of(chosen))
    best = ["score", "length", "id", "meta", "source", "line"]
    by = ["new", *(best if keep == "best" else []), "row"]
    down = [name in {"score", "length"} for name in by]
    return (
        keys.select(order=pl.arg_sort_by(by, descending=down, nulls_last=True))["order"]
        .to_numpy()
        .astype(np.int64)
    )


def _score() -> pl.Expr:
    has = pl.col("meta").str.contains(f'"{SCORE}"', literal=True)
    found = pl.when(has).then(pl.col("meta")).str.json_path_match(f"$.{SCORE}")
    return found.cast(pl.Float64, strict=False).fill_nan(None)


def _length() -> pl.Expr:
    return pl.col("messages").list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
