"""Held-out sets in the store: each version with the ids of its items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from loop.store import insert, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

    from curation.heldout import HeldoutSet


def record_heldout(connection: duckdb.DuckDBPyConnection, sets: Iterable[tuple[HeldoutSet, str]]) -> None:
    """Write frozen sets; a known version gets the role of today. Call it inside a transaction.

    Args:
        connection: The transaction.
        sets: Each set with its role (`target` or `regression`).
    """
    for held, role in sets:
        about = {"name": held.name, "version": held.version, "items": held.items.height, "role": role}
        insert(connection, "heldout_sets", pl.DataFrame([about | {"created": utc_now()}]), known="replace")
        items = held.items.select(
            pl.lit(held.name).alias("name"), pl.lit(held.version).alias("version"), item="id"
        )
        insert(connection, "heldout_items", items)
