"""Step: the last snapshot, high-scoring traces and accepted corrections become the next snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.stored import own_changes
from loop.growth import grow
from loop.ledger import Outcome
from loop.snapshots import record
from loop.store import current
from loop.traces import judged

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Write the next snapshot."""
    workspace = context.workspace
    with current(workspace.store, workspace.view) as connection:
        traces = judged(connection, context.cycle, context.done["judge"]["judge"])
        parent = last_snapshot(connection, context.cycle, workspace.config.model)
        corrected = accepted(connection, context.cycle)
    manifest, offered = grow(workspace, parent, traces, corrected, context.progress)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        record(connection, workspace.snapshots / manifest.id, manifest, context.cycle)

    come, gone = own_changes(workspace.snapshots / manifest.id)
    summary = f"snapshot {manifest.id}: {come} rows came of {offered} offered, {gone} went, "
    summary += f"{sum(manifest.splits.values())} in all"
    outputs = {"snapshot": manifest.id, "parent": parent, "offered": offered, "unchanged": not come + gone}
    return Outcome(outputs, summary, commit)


def last_snapshot(connection: duckdb.DuckDBPyConnection, cycle: int, model: str) -> str:
    """The snapshot of the last finished cycle, whether its model was promoted or not: data only grows."""
    row = connection.execute(
        "SELECT s.outputs->>'snapshot' FROM steps s JOIN cycles c ON c.id = s.cycle"
        " WHERE s.name IN ('curate', 'merge') AND c.state = 'finished' AND c.id < ?"
        " AND c.model = ? ORDER BY c.id DESC LIMIT 1",
        [cycle, model],
    ).fetchone()
    if row is None:
        raise AssertionError("a feedback cycle begins after a finished cycle")
    return str(row[0])


def accepted(connection: duckdb.DuckDBPyConnection, cycle: int | None = None) -> dict[str, tuple[str, str]]:
    """Accepted corrections of a cycle, or of all: output and author by trace; a person's beats any other."""
    rows = connection.execute(
        "SELECT trace, output, author FROM corrections WHERE state = 'accepted'"
        " AND (cycle = $1 OR $1 IS NULL) ORDER BY author LIKE 'person:%', author",
        [cycle],
    ).fetchall()
    return {trace: (output, author) for trace, output, author in rows}
