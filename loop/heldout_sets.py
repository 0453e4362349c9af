"""Registered held-out sets, for the commands: the next version of one, and what is known of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.heldout import freeze
from curation.manifest import read_manifest
from curation.registry import Registered, register
from loop.frozen import record_heldout
from loop.heldout import read_items, versions_of
from loop.store import query

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from loop.config import Config
    from loop.workspace import Workspace


def role_of(config: Config, name: str) -> str:
    """What the gate uses a set for; `reserved` where it is only kept out."""
    return next((held.role for held in config.heldout if held.name == name), "reserved")


def add_version(
    workspace: Workspace, connection: duckdb.DuckDBPyConnection, name: str, file: Path
) -> Registered:
    """Register the items of a file as the newest version of a set; call it inside a transaction.

    Raises:
        UserError: As `read_items`; or an older version has these very items.
    """
    known = register(workspace.heldout, freeze(name, read_items(file, file.name)))
    if known.number != (newest := versions_of(workspace, name)[-1]).number:
        fix = f"add its items to the newest version, {newest.number}, to make the next one"
        raise UserError(f"these are the items of version {known.number}", where=str(file), fix=fix)
    record_heldout(connection, [(known.held, role_of(workspace.config, name))])
    return known


def growth_of(workspace: Workspace, known: Registered) -> dict[str, Any]:
    """A version beside those before it: items, new ones, and those that it does not have any more."""
    items = set(known.held.items["id"])
    before = {
        i for v in versions_of(workspace, known.held.name)[: known.number - 1] for i in v.held.items["id"]
    }
    told = {"name": known.held.name, "version": known.number, "hash": known.held.version}
    return told | {"items": len(items), "new": len(items - before), "without": len(before - items)}


def story(workspace: Workspace, name: str) -> list[dict[str, Any]]:
    """Each version of a set, with the snapshots that kept it out and the scores on it.

    Raises:
        UserError: There is no such set.
    """
    versions = versions_of(workspace, name)
    if not versions:
        raise UserError(
            f"no held-out set is called {name}",
            where=str(workspace.heldout),
            fix="run `regrind heldout list`",
        )
    folders = sorted(path for path in workspace.snapshots.glob("[!.]*") if path.is_dir())
    kept = {folder.name: read_manifest(folder).heldout.get(name, []) for folder in folders}
    sql = "SELECT * FROM score_by_model WHERE heldout = ?"
    scores = query(workspace.view, sql, [name]).to_dicts() if workspace.view.exists() else []
    return [
        growth_of(workspace, known)
        | {"snapshots": [i for i, found in kept.items() if known.held.version in found]}
        | {"scores": [s for s in scores if s["heldout_version"] == known.held.version]}
        for known in versions
    ]
