"""Step: register the base model as version 0 in production, and freeze the held-out sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from loop.heldout import demand_target, read_heldout
from loop.ledger import Outcome
from loop.models import base_id, settings
from loop.store import insert, utc_now

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context


def run(context: Context) -> Outcome:
    """Adopt the base model and the held-out sets.

    Raises:
        UserError: The base model is not to be had, or no held-out set is a target.
    """
    workspace = context.workspace
    config = workspace.config
    demand_target(config)
    frozen = read_heldout(workspace)
    sets = pl.DataFrame(
        [
            {
                "name": held.name,
                "version": frozen_set.version,
                "items": frozen_set.items.height,
                "role": held.role,
            }
            for held, frozen_set in zip(config.heldout, frozen, strict=True)
        ]
    )
    name, identity = settings(workspace).base_model, base_id(workspace)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "heldout_sets", sets, known="replace")
        connection.execute(
            "INSERT OR IGNORE INTO models VALUES (?, 0, ?, ?, NULL, 'production', NULL, ?, '{}', ?)",
            [config.model, name, identity, json.dumps(config.train), utc_now()],
        )

    items = ", ".join(f"{row['name']} ({row['items']} items)" for row in sets.iter_rows(named=True))
    return Outcome({"base": name}, f"base model {name}; held-out sets {items}", commit)
