"""The published copy: the store's file, put in place by one rename; and the store written anew."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

import duckdb

from curation.files import sync, writing
from loop.store.connect import COMPATIBLE, explained, opened, quoted
from loop.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROLLED_UP = ("judge_cost", "lowest", "score_by_cycle")
"""Views over all verdicts: at a million they take up to seconds, and their rows are few."""
LARGE = 20_000
"""Verdicts from which on somebody would wait for these views."""


def publish(store: Path, view: Path, *, patience: float | None = None) -> None:
    """Replace the copy that readers open by the store as it stands, in one rename.

    The file is copied, not the rows: at a million traces that takes a tenth of the time
    (docs/decisions/0020-the-copy-is-a-file.md). In the copy of a large store, views that take long are
    tables.

    Args:
        store: The DuckDB file.
        view: The copy.
        patience: Seconds to wait while another process holds the store; as `patient` says, unless given.

    Raises:
        UserError: As `loop.store.transaction`.
    """
    with (
        _settled(store, patience) as connection,
        _folder(view) as folder,
        writing(view),
        store.open("rb") as source,
    ):
        # The source is closed after the rename: with it goes the system's lock that keeps writers out.
        with (folder / view.name).open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
        if _large(connection):
            _roll_up(folder / view.name)
        # The log of a client that wrote into the old copy: it fits no other, and may hold text.
        view.with_name(f"{view.name}.wal").unlink(missing_ok=True)
        _into_place(folder / view.name, view)


def rewrite(store: Path) -> None:
    """Write the store anew from its rows: what was deleted stays in a DuckDB file until then.

    Raises:
        UserError: As `loop.store.transaction`.
    """
    with _settled(store) as connection, _folder(store) as folder:
        connection.execute(f"ATTACH {quoted(folder / store.name)} AS anew (STORAGE_VERSION 'v1.5.0')")
        connection.execute("COPY FROM DATABASE store TO anew")
        connection.execute("DETACH anew")
        _into_place(folder / store.name, store)


def age(view: Path) -> str:
    """How old the copy is, such as `42 s` or `3.5 h`; a clock that was set back makes it 0 s."""
    seconds = max(time.time() - view.stat().st_mtime, 0.0)
    for limit, unit, name in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds / 86_400:.0f} days"


def _large(connection: duckdb.DuckDBPyConnection) -> bool:
    row = connection.execute("SELECT count(*) FROM store.verdicts").fetchone()
    return row is not None and row[0] >= LARGE


def _roll_up(copy: Path) -> None:
    """Put the rows of some views in their place, so that nobody who asks for them waits."""
    with explained(copy), duckdb.connect(str(copy), config=COMPATIBLE) as connection:
        connection.begin()
        for view in ROLLED_UP:
            connection.execute(f"CREATE TABLE rolled AS FROM {view}")
            connection.execute(f"DROP VIEW {view}")
            connection.execute(f"ALTER TABLE rolled RENAME TO {view}")
        connection.commit()


@contextlib.contextmanager
def _settled(store: Path, patience: float | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Keep writers out of a store whose file has everything, the log beside it nothing."""
    with opened(store, patience) as connection:
        migrate(connection, store)
        connection.execute("CHECKPOINT")
    with opened(store, patience, read_only=True) as connection:
        yield connection


@contextlib.contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """A folder for the new file, so that what DuckDB lays beside it goes with it."""
    folder = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _into_place(made: Path, target: Path) -> None:
    sync(made)
    made.replace(target)
    sync(target.parent)
