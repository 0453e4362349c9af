"""Arrivals: imported traces on disk until the store has them; a store in use delays only their way in."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.errors import UserError
from curation.files import new_folder
from curation.rows import short_hash
from loop.store import insert, transaction

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from loop.imports.batch import Batch

TABLES = ("traces", "payloads", "labels")
GROUP = 5
"""Batches a transaction: with few rows a checkpoint costs more than they do, with many others wait."""


class Drained(NamedTuple):
    """What came into the store: new traces, those that it had (or that were deleted), new labels."""

    traces: int
    known: int
    labels: int


def keep(folder: Path, rows: Batch) -> Path:
    """Write a batch into the spool, whole or not at all.

    Raises:
        UserError: The disk is full, or the place may not be written to.
    """
    ids = [*rows.traces["id"], *rows.labels["id"]]
    folder = folder / short_hash(ids)
    with new_folder(folder) as temporary:
        for name, table in zip(TABLES, rows, strict=True):
            table.write_parquet(temporary / f"{name}.parquet")
    return folder


def waiting(folder: Path) -> list[Path]:
    """Batches in the spool."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return sorted(found, key=lambda path: path.name)


def drain(store: Path, arrivals: Path, *, patience: float | None = None) -> Drained:
    """Bring the batches of the spool into the store, a short transaction for some of them.

    Args:
        store: The DuckDB file.
        arrivals: The folder with the batches.
        patience: Seconds to wait while another process holds the store; as `patient` says, unless given.

    Raises:
        UserError: Another process holds the store (`loop.store.StoreHeldError`): the batches stay.
    """
    total = Drained(0, 0, 0)
    folders = waiting(arrivals)
    for start in range(0, len(folders), GROUP):
        group = folders[start : start + GROUP]
        read = [tables for folder in group if (tables := _read(folder)) is not None]
        if not read:
            continue
        together = {name: pl.concat([tables[name] for tables in read]) for name in TABLES}
        with transaction(store, patience=patience) as connection:
            done = _enter(connection, together)
        for folder in group:
            _remove(folder)
        total = Drained(*(a + b for a, b in zip(total, done, strict=True)))
    return total


def _remove(folder: Path) -> None:
    """Take a batch away in one piece: another process that drains finds it whole or not at all."""
    gone = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _read(folder: Path) -> dict[str, pl.DataFrame] | None:
    """The tables of a batch; None where another process has brought it in meanwhile."""
    try:
        return {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    except (OSError, pl.exceptions.PolarsError) as fault:
        if not folder.exists():
            return None
        fix = "remove this folder, and import the file again"
        raise UserError(
            f"a batch of imported traces is damaged: {fault}", where=str(folder), fix=fix
        ) from fault


def _enter(connection: duckdb.DuckDBPyConnection, tables: dict[str, pl.DataFrame]) -> Drained:
    """Insert what is new, and not again what was deleted."""
    traces = tables["traces"].unique("id", keep="first", maintain_order=True)
    fresh = _unseen(connection, traces, "id", "traces", "id")
    fresh = _unseen(connection, fresh, "id", "deletions", "trace")
    insert(connection, "traces", fresh, known="none")
    payloads = (
        tables["payloads"].unique("trace", keep="first").filter(pl.col("trace").is_in(fresh["id"].implode()))
    )
    insert(connection, "payloads", payloads, known="none")
    labels = tables["labels"].unique("id", keep="first", maintain_order=True)
    labels = _unseen(connection, labels, "id", "labels", "id")
    labels = _unseen(connection, labels, "trace", "deletions", "trace")
    insert(connection, "labels", labels, known="none")
    return Drained(fresh.height, traces.height - fresh.height, labels.height)


def _unseen(
    connection: duckdb.DuckDBPyConnection, rows: pl.DataFrame, column: str, table: str, key: str
) -> pl.DataFrame:
    """The rows whose value in a column is no key of a table."""
    connection.register("incoming", rows.select(column).to_arrow())
    sql = f"SELECT t.{key} FROM {table} t SEMI JOIN incoming i ON t.{key} = i.{column}"  # noqa: S608
    seen = connection.sql(sql).pl().to_series()
    connection.unregister("incoming")
    return rows.filter(~pl.col(column).is_in(seen.implode())) if seen.len() else rows
