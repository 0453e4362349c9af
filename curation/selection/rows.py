"""Selection of rows: which texts are compared, what a row costs and is worth, and what became of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from curation.rows import canonical, drop_frame
from curation.selection.columns import compared, estimated_tokens, quality
from curation.selection.groups import Group, by_quota, by_task
from curation.selection.limits import Limits
from curation.selection.select import Selection, select

if TYPE_CHECKING:
    from collections.abc import Container

    from numpy.typing import NDArray

    from curation.selection.settings import Select

SELECTED = "selected"
"""Field of `meta`: rank, reason, gain and group of a row that was picked."""
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
    columns = _Columns(
        compared(rows, step.on),
        estimated_tokens(rows) if tokens is None else tokens,
        quality(rows, step.quality) if step.quality else np.ones(rows.height),
        compared(prior, step.on) if prior is not None else None,
    )
    groups = _groups(rows, step)
    alone = len(groups) == 1
    groups = [group for group in groups if group.wanted and group.rows]
    done = [_select_group(group, _budget(step, group, groups), step, columns) for group in groups]
    picked: dict[int, dict[str, Any]] = {}
    for group, one in zip(groups, done, strict=True):
        named = {} if alone else {"group": group.name}
        picked |= {row: about and about | named for row, about in one.picked.items()}
    below = {row for one in done for row in one.below_floor}
    notes = {group.name or "all": one.note for group, one in zip(groups, done, strict=True) if one.note}
    kept = sorted(picked)
    drops = _drops(rows, picked.keys(), below)
    return Selected(_annotated(rows[kept], [picked[i] for i in kept]), drops, notes)


class _Columns(NamedTuple):
    """Text, cost and weight of each row (rows,), and the texts that were picked before."""

    texts: pl.Series
    cost: NDArray[np.int64]
    weight: NDArray[np.float64]
    prior: pl.Series | None


class _Done(NamedTuple):
    """Rank, reason and gain of each picked row number, rows below the floor, and what the group tells."""

    picked: dict[int, dict[str, Any]]
    below_floor: list[int]
    note: dict[str, Any]


def _select_group(group: Group, budget: int, step: Select, columns: _Columns) -> _Done:
    """Pick rows of one group; all of them, as they are, where nothing stands in the way."""
    members = np.array(group.rows, np.int64)
    cost, weight = columns.cost[members], columns.weight[members]
    limits = Limits(min(group.wanted, len(members)), budget, cost, weight, step.min_gain)
    if _all_fit(limits):
        return _Done({row: {} for row in group.rows}, [], {})
    texts, prior = columns.texts.gather(members), columns.prior
    done = select(texts, limits, method=step.method, floor=step.floor, prior=prior, seed=step.seed)
    first = "densest" if step.method == "kcenter" and prior is None else REASONS[step.method]
    reasons = [first, *[REASONS[step.method]] * len(done.picks)]
    told = {
        group.rows[pick]: {"rank": rank, "reason": reason, "gain": round(gain, 6)}
        for rank, (pick, reason, gain) in enumerate(
            zip(done.picks, reasons, done.gains.tolist(), strict=False), 1
        )
    }
    return _Done(told, members[done.below_floor].tolist(), _note(done, limits, cost))


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
