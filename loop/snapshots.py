"""Snapshots in the store: which row is in which, where it came from, and what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from curation.snapshot import Manifest, read_rows, read_table
from loop.store import insert, utc_now

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb


def dropped(manifest: Manifest) -> dict[str, int]:
    """Drops of all steps of a snapshot, by reason."""
    total: Counter[str] = Counter()
    for tally in manifest.steps:
        total.update(tally.dropped)
    return dict(sorted(total.items()))


def record(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest, cycle: int) -> None:
    """Write a snapshot's facts; writing them twice is harmless. Call it inside a transaction."""
    key = [manifest.id]
    if connection.execute("SELECT 1 FROM snapshots WHERE id = ?", key).fetchone():
        return
    counts = [manifest.splits.get(name, 0) for name in ("train", "validation", "test")]
    # A merge checks the new rows before it joins them to the old: the largest step saw them all.
    rows_in = max((tally.rows_in for tally in manifest.steps), default=sum(counts))
    connection.execute(
        "INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [manifest.id, manifest.parent, cycle, utc_now(), rows_in, *counts, json.dumps(dropped(manifest))],
    )
    insert(connection, "membership", membership(folder, manifest), known="none")
    drops = read_table(folder, "drops").with_columns(snapshot=pl.lit(manifest.id))
    insert(connection, "drops", drops, known="none")


def membership(folder: Path, manifest: Manifest) -> pl.DataFrame:
    """Rows of a snapshot as the store has them: split, origin, source line, parents, trace."""
    meta = pl.col("meta").str.json_path_match
    return read_rows(folder).select(
        snapshot=pl.lit(manifest.id),
        row_id="id",
        split="split",
        origin=pl.coalesce(
            meta("$.origin"),
            pl.when(pl.col("parents").list.len() > 0).then(pl.lit("augmented")),
            pl.lit("seed"),
        ),
        source="source",
        line="line",
        parents="parents",
        trace=meta("$.trace"),
    )
