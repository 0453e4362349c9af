"""Step: imported traces that no cycle has looked at become this cycle's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.ledger import Outcome
from loop.pool import read_pool
from loop.store import transaction

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context
    from loop.workspace import Workspace

WAITING = "FROM traces WHERE cycle IS NULL"


def run(context: Context) -> Outcome:
    """Take the oldest imported traces, as many as a cycle may have; the others wait for the next one.

    Raises:
        UserError: There is nothing to learn from: no imported trace, and no pool or a wrong one.
    """
    most = context.workspace.config.data.max_traces
    with transaction(context.workspace.store) as connection:
        sql = f"SELECT id {WAITING} ORDER BY time, id LIMIT ?"
        chosen = [row[0] for row in connection.execute(sql, [most]).fetchall()]
    if context.workspace.config.data.pool or not chosen:
        read_pool(context.workspace)  # what is wrong with it is told before anything is done
    left = waiting(context.workspace) - len(chosen)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        sql = "UPDATE traces SET cycle = ? WHERE cycle IS NULL AND id IN (SELECT unnest(?::VARCHAR[]))"
        connection.execute(sql, [context.cycle, chosen])

    summary = f"{len(chosen)} imported traces" + (f"; {left} wait for the next cycle" if left else "")
    return Outcome({"traces": len(chosen), "waiting": left}, summary, commit)


def waiting(workspace: Workspace) -> int:
    """How many imported traces no cycle has looked at."""
    with transaction(workspace.store) as connection:
        row = connection.execute(f"SELECT count(*) {WAITING}").fetchone()
    return int(row[0]) if row else 0
