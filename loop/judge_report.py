"""What a run of a judge came to, what a judge is asked, and what judging took."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from judge.bootstrap import mean_interval
from judge.envelope import reply_schema, system_text, user_text
from judge.frames import items_of
from judge.rubric import load_rubric
from loop.judge_file import read_items
from loop.judging import rubric_path
from loop.store import query

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from judge.frames import Judged
    from loop.workspace import Workspace

COLUMNS = {"model": "model", "judge": "judge", "cycle": "cycle", "day": "day"}


def report(judge: str, judges: int, found: Judged) -> dict[str, Any]:
    """A run as JSON types: the judge's id, states, scores with bootstrap intervals, and what it took.

    Args:
        judge: Its id.
        judges: How many were asked about each item: the members of a panel, or 1.
        found: What the run gave.
    """
    verdicts = found.verdicts
    graded = [json.loads(criteria) for criteria in verdicts["criteria"]]
    scores = {"score": _summary(verdicts["score"].drop_nulls().to_list())}
    for name in dict.fromkeys(name for grades in graded for name in grades):
        scores[name] = _summary([grades[name] for grades in graded if name in grades])
    return {
        "judge": judge,
        "judges": judges,
        "items": verdicts.height + found.undone.height,
        "states": dict(sorted(Counter(verdicts["state"]).items())),
        "mean_score": scores["score"]["mean"],
        "scores": scores,
        "undone": found.undone.height,
        "asked": found.asked,
        "tokens": found.tokens,
        "cost": found.cost,
        "cost_known": found.cost_known,
    }


def _summary(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"scored": 0, "mean": None, "interval": None}
    low, high = mean_interval(values)
    return {"scored": len(values), "mean": sum(values) / len(values), "interval": [low, high]}


def prompt_of(file: Path, rubric: str, identity: str | None) -> dict[str, Any]:
    """The prompt of an item of a file: `system`, `user`, and the `schema` of the reply.

    Raises:
        UserError: There is no such item or rubric.
    """
    found = load_rubric(rubric_path(Path(), rubric))
    items = {item.id: item for item in items_of(read_items(file))}
    chosen = next(iter(items)) if identity is None else identity
    if chosen not in items:
        raise UserError(
            f"no item has the id {chosen!r}", where=str(file), fix="give the id of one of its lines"
        )
    schema = json.dumps(reply_schema(found), indent=2, ensure_ascii=False)
    return {"system": system_text(found), "user": user_text(items[chosen]), "schema": schema}


def costs(workspace: Workspace, by: str) -> pl.DataFrame:
    """What judging took, summed by model, judge, cycle or day, from the published copy of the store.

    Raises:
        UserError: There is no store, or it cannot be summed by that.
    """
    if by not in COLUMNS:
        raise UserError(f"costs are not kept by {by!r}", where="--by", fix=f"use {', '.join(COLUMNS)}")
    column = COLUMNS[by]
    sql = f"""
        SELECT {column}, sum(asked)::BIGINT AS asked, sum(scored)::BIGINT AS scored,
               sum(input_tokens)::BIGINT AS input_tokens, sum(cached_tokens)::BIGINT AS cached_tokens,
               sum(output_tokens)::BIGINT AS output_tokens, round(sum(cost), 6) AS cost,
               sum(cost_unknown)::BIGINT AS cost_unknown
        FROM judge_cost GROUP BY {column} ORDER BY {column} NULLS LAST
    """  # noqa: S608  (one of four names)
    return query(workspace.view, sql)
