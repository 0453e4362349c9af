"""Snapshots in the store: which row is in which, where it came from, and what was dropped."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from curation.contents import ORIGIN
from curation.stored import gone_ids, read_layer, read_rows, read_table
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
    drops = read_table(folder, "drops").with_columns(snapshot=pl.lit(manifest.id))
    insert(connection, "drops", drops, known="none")
    _record_layer(connection, folder, manifest)


def _record_layer(connection: duckdb.DuckDBPyConnection, folder: Path, manifest: Manifest) -> None:
    """Write the rows that are new beside the parent's; all of them where the store does not know it."""
    found = connection.execute(
        "INSERT INTO layers SELECT ?, position, layer FROM layers WHERE snapshot = ? RETURNING position",
        [manifest.id, manifest.parent],
    ).fetchall()
    position = len(found)
    connection.execute("INSERT INTO layers VALUES (?, ?, ?)", [manifest.id, position, manifest.id])
    rows = read_layer(folder, manifest.own, columns=ROW) if found else read_rows(folder, columns=ROW)
    insert(connection, "layer_rows", _told(rows, manifest.id), known="none")
    if found:
        gone = gone_ids(folder).filter(layer=manifest.own).select(layer=pl.lit(manifest.id), row_id="id")
        insert(connection, "layer_gone", gone, known="none")


ROW = ("id", "source", "line", "parents", "meta")


def _told(rows: pl.DataFrame, layer: str) -> pl.DataFrame:
    """Rows of a layer as the store has them: split, origin, source line, parents, trace."""
    return rows.select(
        layer=pl.lit(layer),
        row_id="id",
        split="split",
        origin=ORIGIN,
        source="source",
        line="line",
        parents="parents",
        trace=pl.col("meta").str.json_path_match("$.trace"),
    )
