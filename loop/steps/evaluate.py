"""Step: base, production and candidate answer the held-out sets; nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from loop.evaluation import EVALUATIONS, evaluate, is_evaluated
from loop.heldout import read_heldout
from loop.judging import reference_judge
from loop.ledger import Outcome
from loop.models import setup
from loop.registry import production
from loop.store import insert, transaction

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Evaluate the versions that the gate compares, and the base for orientation."""
    workspace = context.workspace
    config = workspace.config
    pairs = list(zip(config.heldout, read_heldout(workspace), strict=True))
    judges = {held.name: reference_judge(workspace.path(held.rubric)).identity.id for held, _ in pairs}
    how = setup(workspace)
    with transaction(workspace.store) as connection:
        current = production(connection, config.model).version
        versions = sorted({0, current, context.done["train"]["version"]})
        missing = {
            version: [
                (held, frozen)
                for held, frozen in pairs
                if not is_evaluated(connection, config.model, version, frozen, judges[held.name], how)
            ]
            for version in versions
        }
    parts = [evaluate(workspace, v, sets, context.progress) for v, sets in missing.items() if sets]
    rows = pl.concat([pl.DataFrame(schema=EVALUATIONS), *parts])

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "evaluations", rows)

    means = rows.group_by("version", "heldout").agg(pl.col("score").mean()).sort("version", "heldout").rows()
    told = "; ".join(f"v{v} {name} {mean or 0.0:.3f}" for v, name, mean in means) or "nothing new"
    return Outcome({"versions": versions, "judges": judges, "setup": how}, f"mean scores: {told}", commit)
