"""The published copy: the store's file, put in place by one rename; and the store written anew."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from typing import TYPE_CHECKING

from curation.files import sync, writing
from loop.store.connect import PATIENCE, opened, quoted
from loop.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import duckdb


def publish(store: Path, view: Path, *, patience: float = PATIENCE) -> None:
    """Replace the copy that readers open by the store as it stands, in one rename.

    The file is copied, not the rows: at a million traces that takes a tenth of the time
    (docs/decisions/0020-the-copy-is-a-file.md).

    Args:
        store: The DuckDB file.
        view: The copy.
        patience: Seconds to wait while another process holds the store.

    Raises:
        UserError: As `loop.store.transaction`.
    """
    with _settled(store, patience), _folder(view) as folder, writing(view), store.open("rb") as source:
        # The source is closed after the rename: with it goes the system's lock that keeps writers out.
        with (folder / view.name).open("wb") as target:
            shutil.copyfileobj(source, target, 2**20)
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


@contextlib.contextmanager
def _settled(store: Path, patience: float = PATIENCE) -> Iterator[duckdb.DuckDBPyConnection]:
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
