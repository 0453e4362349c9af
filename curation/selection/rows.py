"""Selection of rows: which texts are compared, what a row costs and is worth, and what became of each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from curation.errors import UserError
from curation.rows import canonical, drop_frame
from curation.selection import outcome
from curation.selection.columns import compared, estimated_tokens, quality
from curation.selection.groups import Group, budgets, by_quota, by_task
from curation.selection.limits import Limits
from curation.selection.select import select

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.outcome import Outcome
    from curation.selection.settings import Select

SELECTED = "selected"
"""Field of `meta`: rank, reason, gain and group of a row that was picked."""


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
        UserError: A row has no number in the field of `quality`, or a negative one, or it has a field
            `selected` that no selection wrote; or no row has a tag that has a quota.
    """
    if step.limits_nothing:
        return Selected(rows, drop_frame([]), {})
    columns = _Columns(
        compared(rows, step.on),
        estimated_tokens(rows) if tokens is None else tokens,
        quality(rows, step.quality) if step.quality else np.ones(rows.height),
        compared(prior, step.on) if prior is not None else None,
    )
    groups = _groups(rows, step)
    done = _select_groups(groups, step, columns)
    notes = {group.name: one.note for group, one in zip(groups, done, strict=True) if one.note}
    told = _told(groups, done)
    return Selected(_annotated(rows, told), _drops(rows, groups, done, told), notes)


class _Columns(NamedTuple):
    """Text, cost and weight of each row (rows,), and the texts that were picked before."""

    texts: pl.Series
    cost: NDArray[np.int64]
    weight: NDArray[np.float64]
    prior: pl.Series | None


def _groups(rows: pl.DataFrame, step: Select) -> list[Group]:
    count = round(step.share * rows.height) if step.k is None else min(step.k, rows.height)
    if step.quotas:
        return by_quota(rows["tags"], step.quotas, count)
    return by_task(rows["tags"], count)


def _select_groups(groups: list[Group], step: Select, columns: _Columns) -> list[Outcome]:
    """What each group gives for its part of the token budget and what the groups before it left of theirs.

    What is left in the end goes to the first groups that have a row which fits into it.
    """
    asked = [i for i, group in enumerate(groups) if group.wanted and group.rows]
    done = [outcome.none(group) for group in groups]
    parts = budgets([groups[i] for i in asked], columns.cost, step.budget_tokens)
    left = 0
    for i, part in zip(asked, parts, strict=True):
        done[i] = _select_group(groups[i], part + left, step, columns)
        if step.budget_tokens is not None:
            left += part - done[i].tokens
    for i in asked:
        spent = done[i].tokens
        if done[i].fits(columns.cost[groups[i].rows], left):
            done[i] = _select_group(groups[i], spent + left, step, columns)
            left += spent - done[i].tokens
    return done


def _select_group(group: Group, budget: int, step: Select, columns: _Columns) -> Outcome:
    """Pick rows of one group; all of them where nothing stands in the way."""
    members = np.array(group.rows, np.int64)
    cost, weight = columns.cost[members], columns.weight[members]
    limits = Limits(min(group.wanted, len(members)), budget, cost, weight, step.min_gain)
    if _all_fit(limits):
        return outcome.everything(group, limits)
    texts, prior = columns.texts.gather(members), columns.prior
    done = select(texts, limits, method=step.method, floor=step.floor, prior=prior, seed=step.seed)
    return outcome.some(group, done, limits, step.method, prior=prior is not None)


def _all_fit(limits: Limits) -> bool:
    return limits.most >= len(limits.cost) and int(limits.cost.sum()) <= limits.budget and limits.least == 0


def _told(groups: list[Group], done: list[Outcome]) -> dict[int, dict[str, Any]]:
    """What the field `selected` says by row number; the group too where there are several."""
    several = sum(bool(one.note) for one in done) > 1
    return {
        row: about | ({"group": group.name} if several else {})
        for group, one in zip(groups, done, strict=True)
        for row, about in one.kept.items()
    }


def _drops(
    rows: pl.DataFrame, groups: list[Group], done: list[Outcome], told: dict[int, dict[str, Any]]
) -> pl.DataFrame:
    reasons = np.full(rows.height, "", object)
    for group, one in zip(groups, done, strict=True):
        reasons[group.rows] = one.dropped
    gone = np.ones(rows.height, bool)
    gone[list(told)] = False
    places = rows.select(
        pl.col("id").alias("row_id"),
        "source",
        "line",
        step=pl.lit("select"),
        reason=pl.Series(reasons.tolist(), dtype=pl.String),
    )
    return pl.concat([drop_frame([]), places.filter(pl.Series(gone))], how="diagonal")


def _annotated(rows: pl.DataFrame, told: dict[int, dict[str, Any]]) -> pl.DataFrame:
    """The rows that are told of, in their old order, with the field."""
    kept = rows[sorted(told)]
    meta = []
    for text, source, line, row in zip(kept["meta"], kept["source"], kept["line"], sorted(told), strict=True):
        old = json.loads(text or "{}")
        if SELECTED in old and not _is_ours(old[SELECTED]):
            fix = "give your field another name: where a row was picked, its rank and reason stand there"
            raise UserError(
                "this row has a field `selected` of its own", where=f"{source}:{line}: {SELECTED}", fix=fix
            )
        meta.append(canonical(old | {SELECTED: told[row]}))
    return kept.with_columns(meta=pl.Series(meta, dtype=pl.String))


def _is_ours(value: object) -> bool:
    return isinstance(value, dict) and {"rank", "reason", "gain"} <= value.keys()
