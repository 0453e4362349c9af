"""Step: every trace of the cycle gets a verdict, or a state that says why there is none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from curation.errors import UserError
from judge.budget import Budget
from judge.frames import Judged, judge_frame
from loop.judging import configured_judge, judges
from loop.ledger import Outcome
from loop.spool import open_spool
from loop.standing import told
from loop.store import current
from loop.traces import items
from loop.verdicts import store_verdicts

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Judge the traces; verdicts are spooled as they arrive and drained into the store at the end."""
    workspace = context.workspace
    with current(workspace.store, workspace.view) as connection:
        asked = items(connection, context.cycle)
    judge = configured_judge(workspace)
    ids = [one.identity.id for one in judges(judge)]
    spool = open_spool(workspace.spool, workspace.store, workspace.view, ids)
    service = workspace.config.judge.service
    budget = Budget(service.budget, service.token_budget)
    found = judge_frame(asked, judge, spool, progress=told(context.progress), budget=budget)
    demand_done(found)
    verdicts = found.verdicts
    demand_answers(verdicts)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        store_verdicts(connection, judge, verdicts, workspace.spool)

    scores = verdicts["score"].drop_nulls().to_list()
    states = dict(sorted(Counter(verdicts["state"]).items()))
    mean = sum(scores) / len(scores) if scores else None
    score = f"mean score {mean:.3f}" if mean is not None else "no score"
    summary = f"{judge.identity.id}: {score}; " + ", ".join(
        f"{count} {state}" for state, count in states.items()
    )
    return Outcome({"judge": judge.identity.id, "states": states, "mean_score": mean}, summary, commit)


def demand_done(found: Judged) -> None:
    """Stop where the budget did; what was judged is kept in the spool.

    Raises:
        UserError: Some items are not judged.
    """
    if found.undone.height:
        fix = "raise it and run the same command again: what was judged is kept"
        problem = f"the budget is used up, and {found.undone.height} traces are not judged"
        raise UserError(problem, where="regrind.toml: judge.service", fix=fix)


def demand_answers(verdicts: pl.DataFrame) -> None:
    """Stop while the judge does not answer; what it said so far is kept in the spool.

    Raises:
        UserError: More than half of the verdicts failed.
    """
    failed = verdicts.filter(state="failed")
    if failed.height * 2 > verdicts.height:
        last = failed.row(-1, named=True)
        problem = f"{failed.height} of {verdicts.height} verdicts failed; the last said: {last['feedback']}"
        fix = "run the same command again when the judge answers: only the failed ones are asked again"
        raise UserError(problem, where=last["judge_id"], fix=fix)
