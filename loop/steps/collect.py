"""Step: imported traces that no cycle has looked at become this cycle's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.arrivals import drain
from loop.ledger import Outcome
from loop.pool import read_pool
from loop.store import transaction

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context
    from loop.workspace import Workspace


def run(context: Context) -> Outcome:
    """Take the oldest imported traces, as many as a cycle may have; the others wait for the next one.

    Raises:
        UserError: There is nothing to learn from: no imported trace, and no pool or a wrong one.
    """
    workspace = context.workspace
    drain(workspace.store, workspace.arrivals)
    found = waiting(workspace)
    chosen = found[: workspace.config.data.max_traces]
    if workspace.config.data.pool or not chosen:
        read_pool(workspace)  # what is wrong with it is told before anything is done
    left = len(found) - len(chosen)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        sql = "UPDATE traces SET cycle = ? WHERE cycle IS NULL AND id IN (SELECT unnest(?::VARCHAR[]))"
        connection.execute(sql, [context.cycle, chosen])

    summary = f"{len(chosen)} imported traces" + (f"; {left} wait for the next cycle" if left else "")
    return Outcome({"traces": len(chosen), "waiting": left}, summary, commit)


def waiting(workspace: Workspace) -> list[str]:
    """Imported traces that no cycle has looked at, the oldest first: those that the judge can judge."""
    blind = workspace.config.judge.kind == "reference"
    condition = "cycle IS NULL" + (" AND reference IS NOT NULL" if blind else "")
    sql = f"SELECT id FROM traces WHERE {condition} ORDER BY time, id"  # noqa: S608
    with transaction(workspace.store) as connection:
        return [row[0] for row in connection.execute(sql).fetchall()]
