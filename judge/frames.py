"""Frames in, frames out: items as a polars frame to a judge, its verdicts as a frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl
from msgspec import structs

from judge.run import judge_items
from judge.verdict import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from judge.budget import Budget
    from judge.panel import Panel
    from judge.protocol import Cache, Judge
    from judge.tally import Standing
    from judge.verdict import State, Verdict

ITEMS = pl.Schema(
    {
        "id": pl.String(),
        "messages": pl.List(pl.Struct({"role": pl.String, "content": pl.String})),
        "output": pl.String(),
        "reference": pl.String(),
    }
)
"""An answer to judge: `messages` are the prompt, `output` answers them, `reference` (or null) is right."""
VERDICTS = pl.Schema(
    {
        "key": pl.String(),
        "item_id": pl.String(),
        "judge_id": pl.String(),
        "repeat": pl.Int64(),
        "state": pl.String(),
        "score": pl.Float64(),
        "criteria": pl.String(),
        "feedback": pl.String(),
        "raw": pl.String(),
        "stop_reason": pl.String(),
        "input_tokens": pl.Int64(),
        "output_tokens": pl.Int64(),
        "cached_tokens": pl.Int64(),
        "cost": pl.Float64(),
        "time": pl.Datetime("us"),
    }
)
"""The fields of `judge.verdict.Verdict`, `criteria` as JSON; `key` is the content key."""


class Judged(NamedTuple):
    """What a run over a frame gave.

    Attributes:
        verdicts: One row per item that was judged, in the order of the items (schema `VERDICTS`).
        undone: The items that the budget did not reach (schema `ITEMS`).
        asked: Distinct items that were asked about; by a panel, once for each member.
        cost: US dollars that those took; what is unknown counts as nothing.
        cost_known: Whether none of it is unknown.
        tokens: Tokens that those read and wrote.
    """

    verdicts: pl.DataFrame
    undone: pl.DataFrame
    asked: int
    cost: float
    cost_known: bool
    tokens: int


def judge_frame(
    items: pl.DataFrame,
    judge: Judge | Panel,
    cache: Cache,
    *,
    repeat: int = 0,
    again: Collection[State] = (),
    progress: Callable[[Standing], None] | None = None,
    budget: Budget | None = None,
) -> Judged:
    """Judge a frame.

    Args:
        items: The columns of `ITEMS`, each id once; a missing `reference` is null, others are left alone.
        judge: Who judges.
        cache: Asked first; given verdicts as they arrive.
        repeat: Number of the asking.
        again: States in which a verdict of the cache is asked for anew.
        progress: Told after each arrival.
        budget: What the run may take.

    Raises:
        UserError: As `judge.run.judge_items`.
        ValueError: An id stands twice.
    """
    given = items_of(items)
    if len({item.id for item in given}) < len(given):
        raise ValueError("an id stands twice")
    ran = judge_items(given, judge, cache, repeat=repeat, again=again, progress=progress, budget=budget)
    verdicts = keyed_frame(zip(ran.keys, ran.verdicts, strict=True))
    return Judged(verdicts, item_frame(ran.undone), ran.asked, ran.cost, ran.cost_known, ran.tokens)


def item_frame(items: Iterable[Item]) -> pl.DataFrame:
    """Items as a frame with the schema `ITEMS`."""
    return pl.DataFrame([structs.astuple(item) for item in items], schema=ITEMS, orient="row")


def items_of(frame: pl.DataFrame) -> list[Item]:
    """The items in a frame that has the columns of `ITEMS`."""
    if "reference" not in frame.columns:
        frame = frame.with_columns(reference=pl.lit(None, pl.String))
    rows = frame.select(pl.col(name).cast(dtype) for name, dtype in ITEMS.items())
    return [Item(*row) for row in rows.iter_rows()]


def keyed_frame(verdicts: Iterable[tuple[str, Verdict]]) -> pl.DataFrame:
    """Verdicts with their content keys as a frame with the schema `VERDICTS`."""
    pairs = list(verdicts)
    columns = {name: [getattr(v, name) for _, v in pairs] for name in VERDICTS if name != "key"}
    columns["criteria"] = [msgspec.json.encode(criteria).decode() for criteria in columns["criteria"]]
    return pl.DataFrame({"key": [key for key, _ in pairs]} | columns, schema=VERDICTS)
