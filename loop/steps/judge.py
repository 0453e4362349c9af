"""Step: every trace of the cycle gets a verdict, or a state that says why there is none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from judge.run import judge_items
from judge.verdict import Item, Verdict, content_key, frame
from loop.judging import configured_judge
from loop.ledger import Outcome
from loop.spool import open_spool
from loop.store import insert, transaction
from loop.traces import items

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Judge the traces; verdicts are spooled as they arrive and drained into the store at the end."""
    workspace = context.workspace
    with transaction(workspace.store) as connection:
        asked = items(connection, context.cycle)
    judge = configured_judge(workspace)
    spool = open_spool(workspace.spool, workspace.store, judge.id)
    verdicts = judge_items(
        asked, judge, spool, progress=lambda done, total: context.progress.step(done, total, "verdicts")
    )
    demand_answers(verdicts)
    rows = verdict_rows(asked, verdicts)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "verdicts", rows)

    scores = [v.score for v in verdicts if v.score is not None]
    states = dict(sorted(Counter(v.state for v in verdicts).items()))
    mean = sum(scores) / len(scores) if scores else None
    told = f"mean score {mean:.3f}" if mean is not None else "no score"
    summary = f"{judge.id}: {told}; " + ", ".join(f"{count} {state}" for state, count in states.items())
    return Outcome({"judge": judge.id, "states": states, "mean_score": mean}, summary, commit)


def demand_answers(verdicts: Sequence[Verdict]) -> None:
    """Stop while the judge does not answer; what it said so far is kept in the spool.

    Raises:
        UserError: More than half of the verdicts failed.
    """
    failed = [v for v in verdicts if v.state == "failed"]
    if len(failed) * 2 > len(verdicts):
        problem = f"{len(failed)} of {len(verdicts)} verdicts failed; the last said: {failed[-1].feedback}"
        fix = "run the same command again when the judge answers: only the failed ones are asked again"
        raise UserError(problem, where=failed[-1].judge_id, fix=fix)


def verdict_rows(asked: Sequence[Item], verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """Verdicts as rows of the store's table, with the content key that the cache finds them by."""
    keys = [content_key(i, v.judge_id, v.repeat) for i, v in zip(asked, verdicts, strict=True)]
    table = frame(verdicts).with_columns(pl.Series("key", keys, pl.String))
    return table.rename({"item_id": "trace", "judge_id": "judge"})
