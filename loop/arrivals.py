"""Arrivals: imported traces on disk until the store has them; a store in use delays only their way in."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from curation.errors import UserError
from curation.files import new_folder
from loop.entering import Drained, enter
from loop.imports.batch import LABELS, PAYLOADS, RUNS, TRACES
from loop.store import transaction

if TYPE_CHECKING:
    from pathlib import Path

    from loop.imports.batch import Batch

TABLES = {"traces": TRACES, "payloads": PAYLOADS, "labels": LABELS, "runs": RUNS}
GROUP = 10
"""Batches a transaction: with few rows a checkpoint costs more than they do, with many others wait."""


def keep(folder: Path, rows: Batch) -> Path:
    """Write a batch into the spool, whole or not at all.

    Raises:
        UserError: The disk is full, or the place may not be written to.
    """
    who = rows.traces.select("id", "user_id", "conversation_id")
    content = msgspec.json.encode([table.rows() for table in (who, rows.labels, rows.runs)])
    folder = folder / hashlib.sha256(content).hexdigest()[:16]
    with new_folder(folder) as temporary:
        for name, table in zip(TABLES, rows, strict=True):
            table.write_parquet(temporary / f"{name}.parquet", compression="uncompressed")
    return folder


def waiting(folder: Path) -> list[Path]:
    """Batches in the spool, the oldest first: of two that say something of one thing, the last holds."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".")] if folder.is_dir() else []
    return sorted(found, key=lambda path: (_written(path), path.name))


def drain(store: Path, arrivals: Path, *, patience: float | None = None) -> Drained:
    """Bring the batches of the spool into the store, a short transaction for some of them.

    Args:
        store: The DuckDB file.
        arrivals: The folder with the batches.
        patience: Seconds to wait while another process holds the store; as `patient` says, unless given.

    Raises:
        UserError: Another process holds the store (`loop.store.StoreHeldError`): the batches stay.
    """
    total = Drained(0, 0, 0, 0, 0)
    folders = waiting(arrivals)
    for start in range(0, len(folders), GROUP):
        group = folders[start : start + GROUP]
        read = [tables for folder in group if (tables := _read(folder)) is not None]
        if not read:
            continue
        together = {name: _together([tables[name] for tables in read], name) for name in TABLES}
        with transaction(store, patience=patience) as connection:
            done = enter(connection, together)
        for folder in group:
            _remove(folder)
        total = Drained(*(a + b for a, b in zip(total, done, strict=True)))
    return total


def _table(path: Path) -> pl.DataFrame:
    """A table of a batch; one without runs is of an older version."""
    if path.stem == "runs" and path.parent.is_dir() and not path.exists():
        return pl.DataFrame(schema=RUNS)
    return pl.read_parquet(path)


def _written(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0  # another process has brought it in meanwhile


def _remove(folder: Path) -> None:
    """Take a batch away in one piece: another process that drains finds it whole or not at all."""
    gone = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _together(tables: list[pl.DataFrame], name: str) -> pl.DataFrame:
    """The rows of some batches, of which an older version of regrind may have written one."""
    return pl.concat([pl.DataFrame(schema=TABLES[name]), *tables], how="diagonal")


def _read(folder: Path) -> dict[str, pl.DataFrame] | None:
    """The tables of a batch; None where another process has brought it in meanwhile."""
    try:
        named = {name: folder / f"{name}.parquet" for name in TABLES}
        return {name: _table(path) for name, path in named.items()}
    except (OSError, pl.exceptions.PolarsError) as fault:
        if not folder.exists():
            return None
        fix = "remove this folder, and import the file again"
        raise UserError(
            f"a batch of imported traces is damaged: {fault}", where=str(folder), fix=fix
        ) from fault
