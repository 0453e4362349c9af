"""Arrivals into the store: what is new, what says more than before, and nothing that was deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl
from polars import selectors as cs

from loop.store import insert

if TYPE_CHECKING:
    import duckdb

WHO = ("user_id", "conversation_id")
FILL = """
    UPDATE traces t SET user_id = coalesce(t.user_id, r.user_id),
           conversation_id = coalesce(t.conversation_id, r.conversation_id),
           workload = coalesce(r.workload, t.workload),
           tags = CASE WHEN len(t.tags) > 0 THEN t.tags ELSE r.tags END
    FROM runs r
    WHERE t.run = r.id AND (t.id IN (SELECT id FROM fresh) OR r.id IN (SELECT id FROM asked))
      AND ((t.user_id IS NULL AND r.user_id IS NOT NULL) OR r.workload <> coalesce(t.workload, '')
           OR (t.conversation_id IS NULL AND r.conversation_id IS NOT NULL)
           OR (coalesce(len(t.tags), 0) = 0 AND len(r.tags) > 0))
"""
"""Calls get from their request what only it knows, whichever of the two came first."""
MORE = """
    UPDATE traces t SET user_id = coalesce(t.user_id, i.user_id),
           conversation_id = coalesce(t.conversation_id, i.conversation_id)
    FROM again i WHERE t.id = i.id AND ((t.user_id IS NULL AND i.user_id IS NOT NULL)
           OR (t.conversation_id IS NULL AND i.conversation_id IS NOT NULL))
"""
"""A call that comes again with its user: whoever deletes by user must find it."""
ANSWERED = """
    UPDATE labels l SET trace = t.id FROM traces t
    WHERE l.trace = t.response AND (t.id IN (SELECT id FROM fresh) OR l.id IN (SELECT id FROM said))
"""
"""A label that names only the answer gets the id of the call."""
CHANGE = """
    UPDATE labels l SET score = i.score, label = i.label, comment = i.comment, time = i.time,
           payload = i.payload, unmapped = i.unmapped
    FROM incoming i WHERE l.id = i.id AND i.time >= l.time
      AND (l.score, l.label, l.comment) IS DISTINCT FROM (i.score, i.label, i.comment)
"""
"""A label that says something else than before, unless it is older."""
APART = """
    SELECT count(*) FROM labels l SEMI JOIN said s ON s.id = l.id
    ANTI JOIN traces t ON t.id = l.trace ANTI JOIN traces r ON r.run = l.trace
"""


class Drained(NamedTuple):
    """What came into the store.

    Attributes:
        traces: New ones.
        known: Those that it had, that came twice, or that were deleted.
        labels: New ones.
        changed: Labels that it had, and that say something else now.
        apart: New labels of calls that it does not have.
    """

    traces: int
    known: int
    labels: int
    changed: int
    apart: int


def enter(connection: duckdb.DuckDBPyConnection, tables: dict[str, pl.DataFrame]) -> Drained:
    """Insert rows of `loop.imports.batch`, the oldest first.

    Args:
        connection: An open transaction.
        tables: By name `traces`, `payloads`, `labels` and `runs`.
    """
    runs = _allowed(connection, _requests(connection, tables["runs"]), ["id"])
    insert(connection, "runs", runs, known="replace")
    traces = _once(tables["traces"], "first")
    new = _unseen(connection, traces, "id", "traces", "id")
    own = _not_exported(connection, new)
    fresh = _allowed(connection, own, ["id", "run", "response"])
    insert(connection, "traces", fresh, known="none")
    payloads = tables["payloads"].unique("trace", keep="first")
    insert(connection, "payloads", _with(payloads, "trace", fresh), known="none")
    labels, changed = _enter_labels(connection, _without(tables["labels"], "trace", _without(new, "id", own)))
    _join(connection, fresh=fresh, asked=runs, said=labels, again=_without(traces, "id", new))
    apart = _apart(connection, labels)
    return Drained(fresh.height, tables["traces"].height - fresh.height, labels.height, changed, apart)


def _requests(connection: duckdb.DuckDBPyConnection, runs: pl.DataFrame) -> pl.DataFrame:
    """The last of each request, with who asked from any of them, those of the store among them."""
    connection.register("incoming", runs.select("id").to_arrow())
    known = "SELECT id, user_id, conversation_id FROM runs SEMI JOIN incoming USING (id)"
    both = pl.concat([connection.sql(known).pl(), runs], how="diagonal")
    connection.unregister("incoming")
    return _once(both, "last").select(runs.columns)


def _once(rows: pl.DataFrame, keep: Literal["first", "last"]) -> pl.DataFrame:
    """One row of each id, with who it is from, whichever row says so: deleting by user must find it."""
    once = rows.unique("id", keep=keep, maintain_order=True)
    if once.height == rows.height:
        return once
    told = rows.group_by("id").agg(pl.col(*WHO).drop_nulls().first())
    joined = once.join(told, on="id", how="left", suffix="_told", maintain_order="left")
    filled = [pl.coalesce(name, f"{name}_told").alias(name) for name in WHO]
    return joined.with_columns(filled).select(once.columns)


def _not_exported(connection: duckdb.DuckDBPyConnection, traces: pl.DataFrame) -> pl.DataFrame:
    """The traces that no other id knows: rows of an export that was curated, answers by their own id."""
    traces = _unseen(connection, traces, "event", "traces", "id")
    traces = _unseen(connection, traces, "id", "traces", "response")
    return _unseen(connection, traces, "event", "deletions", "trace")


def _join(connection: duckdb.DuckDBPyConnection, **arrived: pl.DataFrame) -> None:
    """Let what arrived and what was there tell each other what only one of them knows."""
    for name, rows in arrived.items():
        connection.register(name, rows.select(cs.by_name("id", *WHO, require_all=False)).to_arrow())
    for sql, needed in (
        (FILL, arrived["asked"].height or arrived["fresh"]["run"].count()),
        (MORE, arrived["again"].height),
        (ANSWERED, arrived["said"].height or arrived["fresh"]["response"].count()),
    ):
        if needed:
            connection.execute(sql)
    for name in arrived:
        connection.unregister(name)


def _apart(connection: duckdb.DuckDBPyConnection, labels: pl.DataFrame) -> int:
    """How many labels are of calls that the store does not have."""
    if not labels.height:
        return 0
    connection.register("said", labels.select("id").to_arrow())
    row = connection.execute(APART).fetchone()
    connection.unregister("said")
    return int(row[0]) if row else 0


def _with(rows: pl.DataFrame, column: str, those: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col(column).is_in(those["id"].implode())) if rows.height else rows


def _without(rows: pl.DataFrame, column: str, those: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(~pl.col(column).is_in(those["id"].implode())) if rows.height else rows


def _enter_labels(connection: duckdb.DuckDBPyConnection, labels: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Insert labels, the newest of each id in place of an older one; the new ones, and how many changed."""
    labels = labels.sort("time", maintain_order=True).unique("id", keep="last", maintain_order=True)
    labels = _allowed(connection, labels, ["id", "trace", "run"])
    fresh = _unseen(connection, labels, "id", "labels", "id")
    insert(connection, "labels", fresh, known="none")
    connection.register("incoming", _without(labels, "id", fresh).to_arrow())
    changed = connection.execute(CHANGE).fetchall()
    connection.unregister("incoming")
    return fresh, int(changed[0][0])


def _allowed(connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    """The rows of which nothing was deleted."""
    for column in columns:
        rows = _unseen(connection, rows, column, "deletions", "trace")
    return rows


def _unseen(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, column: str, table: str, key: str
) -> pl.DataFrame:
    """The rows whose value in a column is no key of a table."""
    connection.register("incoming", rows.select(column).to_arrow())
    sql = f"SELECT t.{key} FROM {table} t SEMI JOIN incoming i ON t.{key} = i.{column}"  # noqa: S608
    seen = connection.sql(sql).pl().to_series()
    connection.unregister("incoming")
    if not seen.len():
        return rows
    return rows.filter(~pl.col(column).is_in(seen.implode()).fill_null(value=False))
