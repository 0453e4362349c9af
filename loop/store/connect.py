"""Connections that write: opened for one short transaction, retried while another process has the file."""

from __future__ import annotations

import contextlib
import re
import threading
from typing import TYPE_CHECKING

import duckdb

from curation.errors import UserError
from curation.files import writing
from loop.store.holding import Waiting
from loop.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMPATIBLE: dict[str, str | bool | int | float | list[str]] = {"storage_compatibility_version": "v1.5.0"}
BACKUP = "restore the file from a backup; the snapshots and models beside it are whole"
TURN = threading.RLock()
"""Threads of this process take turns: the system's lock on the file is between processes."""
_FILE_FAULTS = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.InternalException,
    duckdb.TransactionException,
    duckdb.SerializationException,
)


@contextlib.contextmanager
def transaction(path: Path, *, patience: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the store for one short transaction; it commits when the block ends well.

    The store is created or brought to the newest schema first.

    Args:
        path: The DuckDB file.
        patience: Seconds to wait while another process holds the file; as `patient` says, unless given.

    Yields:
        The connection.

    Raises:
        UserError: Another process holds the file all that time, the file is damaged, it comes
            from a newer regrind, or the disk is full.
    """
    with opened(path, patience) as connection:
        migrate(connection, path)
        connection.begin()
        try:
            yield connection
            connection.commit()
        except BaseException:
            with contextlib.suppress(duckdb.Error):  # after a fatal error there is nothing to roll back
                connection.rollback()
            raise


@contextlib.contextmanager
def opened(
    path: Path, patience: float | None = None, *, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Hold the store open.

    Args:
        path: The DuckDB file.
        patience: Seconds to wait while another process holds the file; as `patient` says, unless given.
        read_only: Only keep writers out: the connection is to memory, and has the file as `store`.

    Raises:
        UserError: As `transaction`.
    """
    with TURN:
        with writing(path):
            connection = _retried(_attached if read_only else _connected, path, patience)
        try:
            with explained(path):
                yield connection
        finally:
            connection.close()


def _connected(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), config=COMPATIBLE)


def _attached(path: Path) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    try:
        connection.execute(f"ATTACH {quoted(path)} AS store (READ_ONLY)")
    except BaseException:
        connection.close()
        raise
    return connection


def quoted(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn a full disk or a damaged file into an error that says so; a wrong statement stays what it is."""
    try:
        yield
    except _FILE_FAULTS as fault:
        if re.search("could not write|no space", str(fault), re.IGNORECASE):
            fix = "free some space, then run the same command again: it goes on where it stopped"
            raise UserError(f"the store cannot be written: {fault}", where=str(path), fix=fix) from fault
        raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=BACKUP) from fault


def _retried(
    connect: Callable[[Path], duckdb.DuckDBPyConnection], path: Path, patience: float | None
) -> duckdb.DuckDBPyConnection:
    waiting = Waiting(path, patience)
    while True:
        before = _inode(path)
        try:
            connection = connect(path)
        except duckdb.Error as fault:
            if not (isinstance(fault, duckdb.IOException) and "could not set lock" in str(fault).lower()):
                raise UserError(f"the store cannot be read: {fault}", where=str(path), fix=BACKUP) from fault
            waiting.wait(fault)
            continue
        if before in {None, _inode(path)}:
            waiting.over()
            return connection
        connection.close()  # the file was rewritten while it was opened: this is the old one


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None
