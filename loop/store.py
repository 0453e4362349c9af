"""The DuckDB store: one file, short transactions, forward migrations, a published read-only copy."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from curation.errors import UserError
from curation.files import sync, writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

MIGRATIONS = Path(__file__).parent / "migrations"
COMPATIBLE: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.5.0"}
READER: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": "false"}
"""A reading statement neither writes nor reads any other file."""
PATIENCE = 30.0
_FILE_FAULTS = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.TransactionException,
    duckdb.SerializationException,
)


def utc_now() -> datetime:
    """The time in UTC, without a zone: as the store keeps it."""
    return datetime.now(UTC).replace(tzinfo=None)


@contextlib.contextmanager
def transaction(path: Path, *, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the store for one short transaction; it commits when the block ends well.

    The store is created or brought to the newest schema first.

    Args:
        path: The DuckDB file.
        patience: Seconds to wait while another process holds the file.

    Yields:
        The connection.

    Raises:
        UserError: Another process holds the file all that time, the file is damaged, it comes
            from a newer regrind, or the disk is full.
    """
    with writing(path):
        connection = _open(path, patience)
    try:
        with _explained(path):
            _migrate(connection, path)
            connection.begin()
            try:
                yield connection
                connection.commit()
            except BaseException:
                with contextlib.suppress(duckdb.Error):  # after a fatal error there is nothing to roll back
                    connection.rollback()
                raise
    finally:
        connection.close()


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn a full disk or a damaged file into an error that says so; a wrong statement stays what it is."""
    try:
        yield
    except _FILE_FAULTS as fault:
        if re.search("could not write|no space", str(fault), re.IGNORECASE):
            fix = "free some space, then run the same command again: it goes on where it stopped"
            raise UserError(f"the store cannot be written: {fault}", where=str(path), fix=fix) from fault
        raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=_BACKUP) from fault


def _open(path: Path, patience: float) -> duckdb.DuckDBPyConnection:
    until = time.monotonic() + patience
    while True:
        try:
            return duckdb.connect(str(path), config=COMPATIBLE)
        except duckdb.IOException as fault:
            if "could not set lock" not in str(fault).lower():
                raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=_BACKUP) from fault
            if time.monotonic() > until:
                raise UserError(_holder(str(fault)), where=str(path), fix=_HOLDER_FIX) from fault
        except duckdb.Error as fault:
            raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=_BACKUP) from fault
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311  (jitter, no secret)


_BACKUP = "restore the file from a backup; the snapshots and models beside it are whole"
_HOLDER_FIX = (
    "close that program (it has the store open for writing; `regrind sql` reads a copy), then run again"
)


def _holder(text: str) -> str:
    """Say which process holds the store, from DuckDB's own message."""
    found = re.search(r"held in (.+?) \(PID (\d+)", text)
    return (
        f"the store is held by {Path(found[1]).name}, process {found[2]}" if found else "the store is locked"
    )


def _migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    have = (row and row[0]) or 0
    files = sorted(MIGRATIONS.glob("*.sql"))
    if have > len(files):
        fix = "install the regrind that wrote it, or a newer one"
        raise UserError(
            f"the store has schema {have}; this regrind knows {len(files)}", where=str(path), fix=fix
        )
    for number, file in enumerate(files[have:], start=have + 1):
        connection.begin()
        connection.execute(file.read_text(encoding="utf8"))
        connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.commit()


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


def publish(store: Path, view: Path) -> None:
    """Replace the copy that readers open by the store as it stands, in one rename.

    Raises:
        UserError: As `transaction`.
    """
    folder = view.with_name(f".{view.name}.{os.getpid()}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    connection = _open(store, PATIENCE)
    try:
        folder.mkdir()  # a folder, so that DuckDB's log beside the copy goes with it
        with _explained(store):
            _copy(connection, folder / view.name)
        sync(folder / view.name)
        (folder / view.name).replace(view)
    finally:
        connection.close()
        shutil.rmtree(folder, ignore_errors=True)


def _copy(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    name = connection.execute("SELECT current_database()").fetchone()
    quoted = str(target).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS published (STORAGE_VERSION 'v1.5.0')")
    connection.execute(f'COPY FROM DATABASE "{name[0] if name else ""}" TO published')
    connection.execute("DETACH published")


def query(path: Path, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> pl.DataFrame:
    """Run one reading statement on a DuckDB file and return its rows.

    Args:
        path: The published copy, or any DuckDB file.
        sql: The statement.
        params: Its parameters.

    Raises:
        UserError: There is no such file, or the statement is wrong.
    """
    if not path.exists():
        fix = "run `regrind cycle run` first, or name the workspace with --workspace"
        raise UserError("there is no store yet", where=str(path), fix=fix)
    try:
        with duckdb.connect(str(path), read_only=True, config=READER) as connection:
            relation = connection.sql(sql, params=params or None)
            return pl_frame(relation)
    except duckdb.IOException as fault:
        fix = f"remove this file: every cycle, and `regrind curate run`, writes it anew; {_BACKUP}"
        raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=fix) from fault
    except duckdb.Error as fault:
        fix = 'the tables and views are described in docs/sql.md; `regrind sql "show tables"` lists them'
        raise UserError(str(fault).strip(), where="sql", fix=fix) from fault


def pl_frame(relation: duckdb.DuckDBPyRelation | None) -> pl.DataFrame:
    """A relation as a polars frame, spans of time as text; empty for a statement without a result."""
    import polars as pl

    if relation is None:
        return pl.DataFrame()
    if "INTERVAL" in relation.types:  # polars knows no such type
        columns = zip(relation.columns, relation.types, strict=True)
        casts = (f'"{name}"{"::VARCHAR" if kind == "INTERVAL" else ""} AS "{name}"' for name, kind in columns)
        relation = relation.project(", ".join(casts))
    return relation.pl()
