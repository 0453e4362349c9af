"""Selection of rows: which texts are compared, what a row costs and is worth, and what became of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from curation.errors import UserError
from curation.rows import SHAPED_FROM, canonical, drop_frame
from curation.selection.groups import Group, by_quota, by_task
from curation.selection.limits import Limits
from curation.selection.select import Selection, select

if TYPE_CHECKING:
    from collections.abc import Container

    from numpy.typing import NDArray

    from curation.selection.settings import Select, Texts

SELECTED = "selected"
"""Field of `meta`: rank, reason, gain and group of a row that was picked."""
BYTES_PER_TOKEN = 4
UNLIMITED = 2**62
REASONS = {"kcenter": "farthest", "facility": "covers most", "random": "random"}


class Selected(NamedTuple):
    """The rows that were picked, in their old order, the others as drops, and what each group tells."""

    rows: pl.DataFrame
    drops: pl.DataFrame
    notes: dict[str, Any]


def select_rows(
    rows: pl.DataFrame,
    step: Select,
    *,
    tokens: NDArray[np.int64] | None = None,
    prior: pl.DataFrame | None = None,
) -> Selected:
    """Pick rows group by group; see `curation.selection.settings.Select`.

    Args:
        rows: Rows with schema ROWS.
        step: How many and how.
        tokens: Tokens of each row (rows,); estimated as four bytes each unless given.
        prior: Rows with schema ROWS that count as picked before.

    Raises:
        UserError: A row has no number in the field of `quality`, or a negative one.
    """
    cost = estimated_tokens(rows) if tokens is None else tokens
    weight = _quality(rows, step.quality) if step.quality else np.ones(rows.height)
    texts = compared(rows, step.on)
    before = compared(prior, step.on) if prior is not None else None
    picked: dict[int, dict[str, Any]] = {}
    below: set[int] = set()
    notes: dict[str, Any] = {}
    groups = _groups(rows, step)
    for group in (g for g in groups if g.wanted and g.rows):
        members = np.array(group.rows, np.int64)
        limits = Limits(
            min(group.wanted, len(members)),
            _budget(step, group, groups),
            cost[members],
            weight[members],
            step.min_gain,
        )
        if _all_fit(limits):
            picked |= {row: {} for row in group.rows}
            continue
        done = select(
            texts.gather(members), limits, method=step.method, floor=step.floor, prior=before, seed=step.seed
        )
        below.update(members[done.below_floor].tolist())
        first = "densest" if step.method == "kcenter" and before is None else REASONS[step.method]
        told = _told(done, group.name if len(groups) > 1 else "", [first, REASONS[step.method]])
        picked |= {group.rows[pick]: about for pick, about in told.items()}
        notes[group.name or "all"] = _note(done, limits, cost[members])
    kept = sorted(picked)
    drops = _drops(rows, picked.keys(), below)
    return Selected(_annotated(rows[kept], [picked[i] for i in kept]), drops, notes)


def compared(rows: pl.DataFrame, on: Texts) -> pl.Series:
    """The text of each row that is compared (rows,): its turns without the system message.

    The answer, which is the assistant's turn at the end, counts for `all` only. A prompt that was put into a
    template is compared as it was before.
    """
    size = pl.col("messages").list.len()
    last = pl.col("messages").list.last().struct.field("role") == "assistant"
    wanted = size if on == "all" else size - last.fill_null(value=False).cast(pl.UInt32)
    turns = pl.element().struct
    shown = turns.field("content").filter(turns.field("role") != "system").fill_null("")
    text = pl.col("messages").list.head(wanted).list.eval(shown).list.join("\n").fill_null("")
    before = pl.col("meta").str.json_path_match(f"$.{SHAPED_FROM}")
    return rows.select(text=text if on == "all" else pl.coalesce(before, text))["text"]


def estimated_tokens(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Tokens of each row (rows,), four bytes of its turns each, rounded up."""
    size = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum()
    return (
        rows.select(((size.fill_null(0) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN).cast(pl.Int64))
        .to_series()
        .to_numpy()
    )


def _groups(rows: pl.DataFrame, step: Select) -> list[Group]:
    count = round(step.share * rows.height) if step.k is None else min(step.k, rows.height)
    if step.quotas:
        return by_quota(rows["tags"], step.quotas, count)
    return by_task(rows["tags"], count)


def _budget(step: Select, group: Group, groups: list[Group]) -> int:
    """The group's part of the token budget: as its part of the rows to pick."""
    if step.budget_tokens is None:
        return UNLIMITED
    return step.budget_tokens * group.wanted // max(sum(g.wanted for g in groups), 1)


def _all_fit(limits: Limits) -> bool:
    return limits.most >= len(limits.cost) and int(limits.cost.sum()) <= limits.budget and limits.least == 0


def _quality(rows: pl.DataFrame, field: str) -> NDArray[np.float64]:
    values = rows["meta"].str.json_path_match(f"$.{field}").cast(pl.Float64, strict=False)
    bad = (values.is_null() | values.is_nan() | (values < 0)).fill_null(value=True)
    if bad.any():
        row = rows.row(int(bad.arg_max() or 0), named=True)
        fix = "give every row a number of at least 0 there, such as a judge's score, or leave the quality out"
        where = f"{row['source']}:{row['line']}: {field}"
        raise UserError("this row has no number to weigh it by", where=where, fix=fix)
    return values.to_numpy()


def _told(done: Selection, group: str, reasons: list[str]) -> dict[int, dict[str, Any]]:
    """Rank, reason and gain of each pick; the first reason is that of the first pick."""
    named = {"group": group} if group else {}
    pairs = enumerate(zip(done.picks.tolist(), done.gains.tolist(), strict=True))
    return {
        pick: {"rank": i + 1, "reason": reasons[i > 0], "gain": round(gain, 6)} | named
        for i, (pick, gain) in pairs
    }


def _note(done: Selection, limits: Limits, cost: NDArray[np.int64]) -> dict[str, Any]:
    """What a group tells: how many, what for, and whether that beat a random pick."""
    note: dict[str, Any] = {"picked": len(done.picks), "tokens": int(cost[done.picks].sum())}
    for name, ours, chance in zip(done.worth._fields, done.worth, done.random_worth, strict=True):
        note |= {
            name: round(ours, 4),
            f"random_{name}": round(chance, 4),
            f"{name}_beats_random": ours > chance,
        }
    if len(done.gains):
        note["last_gain"] = round(float(done.gains[-1]), 6)
    note["stopped"] = _why_stopped(done, limits, cost)
    return note


def _why_stopped(done: Selection, limits: Limits, cost: NDArray[np.int64]) -> str:
    if len(done.picks) == limits.most:
        return "all picked"
    left = np.ones(len(cost), bool)
    left[done.picks] = left[done.below_floor] = False
    if not left.any():
        return "no more rows above the density floor"
    if cost[left].min() > limits.budget - cost[done.picks].sum():
        return "token budget spent"
    return "the next gain is under min_gain"


def _drops(rows: pl.DataFrame, picked: Container[int], below: Container[int]) -> pl.DataFrame:
    places = rows.select("id", "source", "line")
    return drop_frame(
        {
            "row_id": row_id,
            "source": source,
            "line": line,
            "step": "select",
            "reason": "below the density floor" if i in below else "covered by others",
        }
        for i, (row_id, source, line) in enumerate(places.iter_rows())
        if i not in picked
    )


def _annotated(rows: pl.DataFrame, about: list[dict[str, Any]]) -> pl.DataFrame:
    meta = [
        canonical(json.loads(old or "{}") | {SELECTED: told}) if told else old
        for old, told in zip(rows["meta"], about, strict=True)
    ]
    return rows.with_columns(meta=pl.Series(meta, dtype=pl.String))
