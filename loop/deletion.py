"""Deletion of traces: with all that was said about them, out of every file but snapshots and models."""

from __future__ import annotations

import shutil
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from curation.segment_files import forget_segments
from loop.arrivals import drain
from loop.imports.batch import pseudonym
from loop.jobs import all_jobs
from loop.lock import only_one
from loop.spool import forget
from loop.store import publish, rewrite, transaction, utc_now
from training.jobfiles import snapshot_id

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from loop.workspace import Workspace

TABLES = {
    "traces": "id IN (FROM gone)",
    "payloads": "trace IN (FROM gone)",
    "verdicts": "trace IN (FROM gone)",
    "corrections": "trace IN (FROM gone)",
    "labels": "id IN (FROM unsaid)",
    "runs": "id IN (FROM ended)",
}
"""Tables that hold text of a trace, and the condition for what goes."""

GONE = {
    "user": "SELECT id FROM traces WHERE user_id IN $who"
    " OR (user_id IS NULL AND run IN (SELECT id FROM runs WHERE user_id IN $who))",
    "age": "SELECT id FROM traces WHERE time < $before",
}
ENDED = {
    "user": " UNION SELECT id FROM runs WHERE user_id IN $who",
    "age": " UNION SELECT id FROM runs WHERE time < $before"
    " AND id NOT IN (SELECT run FROM traces WHERE run IS NOT NULL)",
}
"""Requests that go beside those of which no call is left."""
UNSAID = {
    "user": " OR author IN $who",
    "age": " OR (time < $before AND trace NOT IN (SELECT id FROM traces UNION ALL"
    " SELECT run FROM traces WHERE run IS NOT NULL))",
}
"""Labels that go beside those of the calls and requests that go: of a user, and of calls that nobody has."""

HOLDERS = """
    WITH RECURSIVE held AS (
        SELECT row_id, snapshot FROM membership WHERE trace IN (SELECT id FROM gone)
        UNION SELECT m.row_id, m.snapshot FROM membership m JOIN held h ON list_contains(m.parents, h.row_id)
    )
    SELECT snapshot, count(DISTINCT row_id) AS rows FROM held GROUP BY snapshot ORDER BY snapshot
"""


MODELS = "SELECT name, version, status, snapshot FROM models WHERE list_contains(?, snapshot) ORDER BY ALL"


class Choice(NamedTuple):
    """What is deleted: everything of a user, or everything older than so many days."""

    user: str | None
    older_than: int | None


class Deleted(NamedTuple):
    """What was deleted, by kind, and the snapshots and models that still hold rows made from it."""

    deleted: dict[str, int]
    snapshots: list[dict[str, Any]]
    models: list[dict[str, Any]]


def delete_traces(workspace: Workspace, choice: Choice, *, dry_run: bool = False) -> Deleted:
    """Delete traces, and write the store and its copy anew without them.

    Args:
        workspace: Where.
        choice: Which.
        dry_run: Only count.

    Raises:
        UserError: There is no such trace, or another process works here.
    """
    with only_one(workspace.lock):
        return delete_held(workspace, choice, dry_run=dry_run)


def forget_old(workspace: Workspace) -> int:
    """Delete what is older than `traces.keep_days`, in a workspace that is held; says how many traces.

    The traces of a cycle that is not finished are not taken from it.
    """
    days = workspace.config.traces.keep_days
    if not days:
        return 0
    with transaction(workspace.store) as connection:
        if connection.execute("FROM cycles WHERE state = 'running'").fetchone():
            return 0
        _choose(connection, Choice(None, days))
        if not any(_count(connection, name, which) for name, which in TABLES.items()):
            return 0
    return delete_held(workspace, Choice(None, days)).deleted["traces"]


def delete_held(workspace: Workspace, choice: Choice, *, dry_run: bool = False) -> Deleted:
    """As `delete_traces`, in a workspace that is held already."""
    workspace.tidy()  # a killed process may have left a copy of anything
    _finish(workspace)
    drain(workspace.store, workspace.arrivals)  # what waits there may be of the same user
    with transaction(workspace.store) as connection:
        _choose(connection, choice)
        ids = {row[0] for row in connection.execute("SELECT id FROM gone").fetchall()}
        counts = {name: _count(connection, name, which) for name, which in TABLES.items()}
        if not any(counts.values()):
            fix = 'look at `regrind sql "select distinct user_id from traces"`'
            raise UserError("there is nothing to delete", where=str(workspace.store), fix=fix)
        snapshots = _dicts(connection, HOLDERS)
        models = _dicts(connection, MODELS, [[s["snapshot"] for s in snapshots]])
        if not dry_run:
            _unfinished(workspace).touch()
            counts["spooled verdicts"] = forget(workspace.spool, ids)
            shutil.rmtree(workspace.step_rows, ignore_errors=True)  # a cycle makes them anew
            counts["training jobs"] = _remove_jobs(workspace, {s["snapshot"] for s in snapshots})
            counts["indexes"] = forget_segments(workspace.snapshots) if snapshots else 0
            _delete(connection, "user" if choice.user else "age")
    _finish(workspace)
    return Deleted(counts, snapshots, models)


def _unfinished(workspace: Workspace) -> Path:
    """A file that is there while rows are deleted whose text may still be in the store's file."""
    return workspace.hidden / "deleting"


def _finish(workspace: Workspace) -> None:
    """Write the store anew where a deletion began, by this process or by one that was killed."""
    if _unfinished(workspace).exists():
        rewrite(workspace.store)
        publish(workspace.store, workspace.view)
        _unfinished(workspace).unlink()


def _choose(connection: duckdb.DuckDBPyConnection, choice: Choice) -> None:
    """Tables of the ids that go: calls in `gone`, whole requests in `ended`, labels in `unsaid`."""
    how = "user" if choice.user is not None else "age"
    given: dict[str, Any] = {"who": [choice.user, pseudonym(choice.user)]}
    if choice.older_than is not None:
        given = {"before": utc_now() - timedelta(days=choice.older_than)}
    connection.execute(f"CREATE TEMP TABLE gone AS {GONE[how]}", given)
    ended = (
        "SELECT run AS id FROM traces WHERE run IS NOT NULL GROUP BY run HAVING bool_and(id IN (FROM gone))"
    )
    connection.execute(f"CREATE TEMP TABLE ended AS {ended}{ENDED[how]}", given)
    about = "trace IN (FROM gone) OR trace IN (FROM ended) OR run IN (FROM ended)"
    connection.execute(f"CREATE TEMP TABLE unsaid AS SELECT id FROM labels WHERE {about}{UNSAID[how]}", given)  # noqa: S608


def _delete(connection: duckdb.DuckDBPyConnection, reason: str) -> None:
    """Delete what was chosen, and remember under which ids it could come again."""
    connection.execute(
        "INSERT INTO deletions SELECT id, ?, ? FROM (FROM gone UNION FROM ended UNION FROM unsaid UNION"
        " SELECT response FROM traces WHERE id IN (FROM gone) AND response IS NOT NULL)"
        " WHERE id NOT IN (SELECT trace FROM deletions)",
        [reason, utc_now()],
    )
    for name, which in TABLES.items():
        connection.execute(f"DELETE FROM {name} WHERE {which}")  # noqa: S608


def _count(connection: duckdb.DuckDBPyConnection, table: str, which: str) -> int:
    row = connection.execute(f"SELECT count(*) FROM {table} WHERE {which}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def _dicts(
    connection: duckdb.DuckDBPyConnection, sql: str, given: list[Any] | None = None
) -> list[dict[str, Any]]:
    cursor = connection.execute(sql, given or [])
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _remove_jobs(workspace: Workspace, snapshots: set[str]) -> int:
    """Remove the training jobs on some snapshots: copies of rows, made anew where they are needed."""
    held = [job for job in all_jobs(workspace) if snapshot_id(job / "manifest.json") in snapshots]
    for folder in held:
        shutil.rmtree(folder)
    return len(held)
