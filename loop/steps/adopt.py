"""Step: register the base model as version 0 in production, and freeze the held-out sets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from curation.registry import register
from loop.frozen import record_heldout
from loop.heldout import demand_target, read_heldout
from loop.ledger import Outcome
from loop.models import base_id, settings
from loop.store import utc_now

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
    for held in frozen:  # before the store knows them: what it knows must be there
        register(workspace.heldout, held)
    sets = [(held, about.role) for about, held in zip(config.heldout, frozen, strict=True)]
    name, identity = settings(workspace).base_model, base_id(workspace)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        record_heldout(connection, sets)
        connection.execute(
            "INSERT OR IGNORE INTO models VALUES (?, 0, ?, ?, NULL, 'production', NULL, ?, '{}', ?)",
            [config.model, name, identity, json.dumps(config.train), utc_now()],
        )

    items = ", ".join(f"{held.name} ({held.items.height} items)" for held in frozen)
    return Outcome({"base": name}, f"base model {name}; held-out sets {items}", commit)
