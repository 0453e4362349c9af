"""Step: base, production and candidate answer the held-out sets; nothing is asked twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from loop.evaluation import EVALUATIONS, evaluate, is_evaluated
from loop.heldout import read_heldout
from loop.judging import reference_judge
from loop.kept import kept
from loop.ledger import Outcome
from loop.models import setup
from loop.registry import production
from loop.store import current, insert

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
    with current(workspace.store, workspace.view) as connection:
        serving = production(connection, config.model).version
        versions = sorted({0, serving, context.done["train"]["version"]})
        missing = {
            version: [
                (held, frozen)
                for held, frozen in pairs
                if not is_evaluated(connection, config.model, version, frozen, judges[held.name], how)
            ]
            for version in versions
        }

    def answered() -> pl.DataFrame:
        parts = [evaluate(workspace, v, sets, context.progress) for v, sets in missing.items() if sets]
        return pl.concat([pl.DataFrame(schema=EVALUATIONS), *parts])

    rows = kept(context.kept / "evaluations.parquet", answered)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "evaluations", rows)

    means = rows.group_by("version", "heldout").agg(pl.col("score").mean()).sort("version", "heldout").rows()
    told = "; ".join(f"v{v} {name} {mean or 0.0:.3f}" for v, name, mean in means) or "nothing new"
    return Outcome({"versions": versions, "judges": judges, "setup": how}, f"mean scores: {told}", commit)
