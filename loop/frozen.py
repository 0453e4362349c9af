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
    """Write frozen sets; of a version that is known only the role may change. Call it inside a transaction.

    Args:
        connection: The transaction.
        sets: Each set with its role (`target`, `regression` or `reserved`).
    """
    for held, role in sets:
        connection.execute(
            "INSERT INTO heldout_sets (name, version, items, role, created) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET role = excluded.role",
            [held.name, held.version, held.items.height, role, utc_now()],
        )
        items = held.items.select(
            pl.lit(held.name).alias("name"), pl.lit(held.version).alias("version"), item="id"
        )
        insert(connection, "heldout_items", items)
