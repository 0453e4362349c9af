"""Snapshots in the store: which row is in which, where it came from, and what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from curation.contents import ORIGIN
from curation.stored import read_rows, read_table
from loop.store import insert, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from curation.manifest import Manifest


def dropped(manifest: Manifest) -> dict[str, int]:
    """Drops of all steps of a snapshot, by reason."""
    total: Counter[str] = Counter()
    for tally in manifest.steps:
        total.update(tally.dropped)
    return dict(sorted(total.items()))


def made(manifest: Manifest) -> int:
    """Rows that no input had: augmentation made them."""
    return sum(tally.notes.get("children", 0) for tally in manifest.steps)


def record(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, cycle: int) -> None:
    """Write a snapshot's facts; writing them twice is harmless. Call it inside a transaction."""
    key = [manifest.id]
    if connection.execute("SELECT 1 FROM snapshots WHERE id = ?", key).fetchone():
        return
    counts = [manifest.splits.get(name, 0) for name in ("train", "validation", "test")]
    # Every row that came in is there, or is a drop; what was made on the way is not counted.
    rows_in = sum(counts) + sum(dropped(manifest).values()) - made(manifest)
    connection.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [manifest.id, manifest.parent, cycle, utc_now(), rows_in, *counts, json.dumps(dropped(manifest))],
    )
    insert(connection, "membership", membership(folder, manifest), known="none")
    drops = read_table(folder, "drops").with_columns(snapshot=pl.lit(manifest.id))
    insert(connection, "drops", drops, known="none")


def membership(folder: Path, manifest: Manifest) -> pl.DataFrame:
    """Rows of a snapshot as the store has them: split, origin, source line, parents, trace."""
    columns = ["id", "source", "line", "parents", "meta"]
    return read_rows(folder, columns=columns).select(
        snapshot=pl.lit(manifest.id),
        row_id="id",
        split="split",
        origin=ORIGIN,
        source="source",
        line="line",
        parents="parents",
        trace=pl.col("meta").str.json_path_match("$.trace"),
    )
