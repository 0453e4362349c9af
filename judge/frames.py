"""Frames in, frames out: items as a polars frame to a judge, its verdicts as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from judge.run import judge_items
from judge.verdict import Item, frame

if TYPE_CHECKING:
    from judge.budget import Budget
    from judge.panel import Panel
    from judge.protocol import Cache, Judge

ITEMS = pl.Schema(
    {
        "id": pl.String(),
        "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
        "output": pl.String(),
        "reference": pl.String(),
    }
)
"""An answer to judge: `messages` are the prompt, `output` answers them, `reference` (or null) is right."""


def judge_frame(
    items: pl.DataFrame, judge: Judge | Panel, cache: Cache, *, repeat: int = 0, budget: Budget | None = None
) -> pl.DataFrame:
    """Judge a frame.

    Args:
        items: The columns of `ITEMS`; a missing `reference` is null, others are left alone.
        judge: Who judges.
        cache: Asked first; given verdicts as they arrive.
        repeat: Number of the asking.
        budget: What the run may take; rows that it does not reach have no verdict.

    Returns:
        One row per verdict, in the order of the items, with the schema `judge.verdict.VERDICTS`.

    Raises:
        UserError: As `judge.run.judge_items`.
    """
    if "reference" not in items.columns:
        items = items.with_columns(reference=pl.lit(None, pl.String))
    rows = items.select(pl.col(name).cast(dtype) for name, dtype in ITEMS.items())
    found = judge_items((Item(*row) for row in rows.iter_rows()), judge, cache, repeat=repeat, budget=budget)
    return frame(found.verdicts)
