"""Rows into the store: frames by column names, and the time that is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb
    import polars as pl


PART = 20_000


def utc_now() -> datetime:
    """The time in UTC, without a zone: as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


def insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: pl.DataFrame,
    *,
    known: Literal["ignore", "replace", "none"] = "ignore",
) -> None:
    """Insert a frame by column names.

    Args:
        connection: An open transaction.
        table: The table's name.
        rows: Columns named as in the table.
        known: What becomes of rows whose key is there already; `none` where the table has no key.
    """
    keys = _primary_key(connection, table) if known == "ignore" else []
    if keys:  # not OR IGNORE, which takes twenty times as long where a table has two unique keys
        rows = rows.unique(keys, keep="first", maintain_order=True)
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    same = " AND ".join(f'old."{key}" = incoming."{key}"' for key in keys)
    unknown = f" WHERE NOT EXISTS (SELECT 1 FROM {table} old WHERE {same})" if keys else ""  # noqa: S608
    replacing = "OR REPLACE " if known == "replace" else ""
    connection.register("incoming", _in_parts(rows).to_arrow())
    connection.execute(f"INSERT {replacing}INTO {table} ({columns}) SELECT {columns} FROM incoming{unknown}")  # noqa: S608
    connection.unregister("incoming")


def _in_parts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in several pieces of memory: DuckDB gives each thread one, and one piece to one thread."""
    import polars as pl

    return pl.concat([rows.slice(0, 0), *rows.iter_slices(PART)], rechunk=False)


def _primary_key(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    row = connection.execute(
        "SELECT constraint_column_names FROM duckdb_constraints()"
        " WHERE table_name = ? AND constraint_type = 'PRIMARY KEY'",
        [table],
    ).fetchone()
    return list(row[0]) if row else []
