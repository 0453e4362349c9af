"""Reading statements on the published copy, or any DuckDB file: they change nothing and open nothing else."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import duckdb

from curation.errors import UserError
from loop.store.connect import BACKUP, transaction
from loop.store.holding import StoreHeldError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

DAYS = {"DATE": (-719_162, 2_932_896), "TIMESTAMP": (-62_135_596_800_000_000, 253_402_300_799_999_999)}
"""From the year 1 to the year 9999, in the units that each type counts from 1970 in."""
READER: dict[str, str | bool | int | float | list[str]] = {"enable_external_access": "false"}
"""A reading statement neither writes nor reads any other file."""
SHORT = 2.0
"""Seconds to wait for the store where its copy will do."""


@contextlib.contextmanager
def reading(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a file for several reading statements; all see the same state.

    Args:
        path: The published copy, or any DuckDB file.

    Raises:
        UserError: There is no such file, or a statement is wrong.
    """
    if not path.exists():
        fix = (
            "run `regrind cycle run` or `regrind trace import` first, or name the workspace with --workspace"
        )
        raise UserError("there is no store yet", where=str(path), fix=fix)
    try:
        with duckdb.connect(str(path), read_only=True, config=READER) as connection:
            yield connection
    except duckdb.IOException as fault:
        if "could not set lock" in str(fault).lower():
            fix = "run `regrind publish`: it puts a new copy in place; open copies with -readonly"
            problem = f"the copy is open for writing elsewhere: {fault}"
            raise UserError(problem, where=str(path), fix=fix) from fault
        if "WAL" in str(fault):
            fix = "run `regrind publish`: it puts a new copy in place, and takes the log away"
            problem = "another program wrote into the copy and left a log that does not fit"
            raise UserError(problem, where=str(path), fix=fix) from fault
        fix = f"remove this file: every cycle, and `regrind curate run`, writes it anew; {BACKUP}"
        raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=fix) from fault
    except duckdb.Error as fault:
        fix = 'the tables and views are described in docs/sql.md; `regrind sql "show tables"` lists them'
        raise UserError(str(fault).strip(), where="sql", fix=fix) from fault


@contextlib.contextmanager
def current(store: Path, copy: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the store for reading, or its copy while another process holds it and nothing newer is in it.

    Args:
        store: The DuckDB file.
        copy: Its published copy.

    Raises:
        UserError: As `loop.store.transaction`.
    """
    with contextlib.ExitStack() as stack:
        same = _same(store, copy)
        try:
            connection = stack.enter_context(transaction(store, patience=SHORT if same else None))
        except StoreHeldError:
            if not same:
                raise
            connection = stack.enter_context(reading(copy))
        yield connection


def _same(store: Path, copy: Path) -> bool:
    """Whether the store's files were not written since the copy was; a copy from the future says nothing."""
    files = [path for path in (store, store.with_name(f"{store.name}.wal")) if path.exists()]
    if not copy.exists() or (made := copy.stat().st_mtime_ns) > time.time_ns():
        return False
    return all(file.stat().st_mtime_ns <= made for file in files)


def query(path: Path, sql: str, params: Sequence[Any] | Mapping[str, Any] = ()) -> pl.DataFrame:
    """Run one reading statement on a DuckDB file and return its rows.

    Args:
        path: The published copy, or any DuckDB file.
        sql: The statement.
        params: Its parameters.

    Raises:
        UserError: There is no such file, or the statement is wrong.
    """
    with reading(path) as connection:
        return pl_frame(connection.sql(sql, params=params or None))


def pl_frame(relation: duckdb.DuckDBPyRelation | None) -> pl.DataFrame:
    """A relation as a polars frame, what that has no type for as text; empty without a result."""
    import polars as pl

    if relation is None:
        return pl.DataFrame()
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    unknown = [name for name, kind in kinds.items() if re.search("INTERVAL|UNION", kind)]
    found = _as_text(relation, unknown).pl()
    far = [name for name, kind in kinds.items() if kind in DAYS and _far(found[name], *DAYS[kind])]
    return _as_text(relation, [*unknown, *far]).pl() if far else found


def _as_text(relation: duckdb.DuckDBPyRelation, names: list[str]) -> duckdb.DuckDBPyRelation:
    columns = [(name, name.replace('"', '""')) for name in relation.columns]
    casts = [f'"{q}"::VARCHAR AS "{q}"' if name in names else f'"{q}"' for name, q in columns]
    return relation.project(", ".join(casts)) if names else relation


def _far(column: pl.Series, first: int, last: int) -> bool:
    """Whether a time of a column is none that Python knows, such as infinity."""
    numbers = column.to_physical()
    return bool(((numbers < first) | (numbers > last)).any())
