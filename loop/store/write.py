"""Rows into the store: frames by column names, and the time that is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import duckdb
    import polars as pl


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
    columns = ", ".join(f'"{name}"' for name in rows.columns)
    conflict = {"ignore": "OR IGNORE", "replace": "OR REPLACE", "none": ""}[known]
    connection.register("incoming", rows.to_arrow())
    connection.execute(f"INSERT {conflict} INTO {table} ({columns}) SELECT {columns} FROM incoming")  # noqa: S608
    connection.unregister("incoming")
