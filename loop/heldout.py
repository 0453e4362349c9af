"""The workspace's held-out sets: demanded, read, frozen, and kept out of what is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from curation.heldout import HeldoutSet, freeze
from curation.intake import read_file
from curation.registry import Registered, register, registered
from curation.validate import validate
from loop.store import query

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from curation.manifest import Manifest
    from loop.config import Config, Heldout
    from loop.workspace import Workspace


def demand_target(config: Config) -> None:
    """Refuse a configuration whose gate would have nothing to decide on.

    Raises:
        UserError: No held-out set is a target.
    """
    if not any(held.role == "target" for held in config.heldout):
        fix = 'add a [[heldout]] table with name, file, rubric and role = "target"'
        raise UserError("the gate has no held-out set to decide on", where="regrind.toml: heldout", fix=fix)


def read_heldout(workspace: Workspace) -> list[HeldoutSet]:
    """Read every held-out set of the configuration.

    Raises:
        UserError: As `read_items`.
    """
    return [_read(workspace, held) for held in workspace.config.heldout]


def _read(workspace: Workspace, held: Heldout) -> HeldoutSet:
    if held.file:
        return freeze(held.name, read_items(workspace.path(held.file), held.file))
    versions = versions_of(workspace, held.name)
    if not versions:
        fix = f"run `regrind heldout add {held.name} FILE`, or name its file"
        raise UserError(
            f"no version of the held-out set {held.name} is registered",
            where="regrind.toml: heldout",
            fix=fix,
        )
    return versions[-1].held


def versions_of(workspace: Workspace, name: str) -> list[Registered]:
    """The registered versions of a set, the oldest first."""
    return [known for known in registered(workspace.heldout) if known.held.name == name]


def read_items(path: Path, source: str) -> pl.DataFrame:
    """Read the items of a held-out set (schema ROWS).

    Args:
        path: Any file of rows.
        source: What they are called.

    Raises:
        UserError: The file is missing, or one of its lines is no item with a reference answer: an
            evaluation set must be whole, so nothing is left out of it silently.
    """
    rows, rejects = read_file(path, source=source)
    faults = validate(rows, kind="evaluation").filter(
        pl.col("level") == "error", pl.col("line").is_not_null()
    )
    bad = [(r["line"], r["reason"]) for r in rejects.iter_rows(named=True)]
    bad += [(f["line"], f["message"]) for f in faults.iter_rows(named=True)]
    if bad:
        line, reason = min(bad)
        fix = "correct the line, or remove it"
        raise UserError(f"held-out item: {reason}", where=f"{path}:{line}", fix=fix)
    if not rows.height:
        raise UserError("there is no held-out item in this file", where=str(path), fix="name another file")
    if (twice := rows["id"].is_duplicated()).any():
        line = rows.filter(twice)["line"][-1]
        raise UserError("this held-out item stands twice", where=f"{path}:{line}", fix="remove one")
    return rows


def kept_out(workspace: Workspace) -> list[HeldoutSet]:
    """Every version of every set that is registered; those of the configuration are registered first.

    Raises:
        UserError: A set cannot be read, is damaged, or is lost: the store knows it, and its file is gone.
    """
    for held in read_heldout(workspace):
        register(workspace.heldout, held)
    sets = [known.held for known in registered(workspace.heldout)]
    _demand_all(workspace, {(held.name, held.version) for held in sets})
    return sets


def _demand_all(workspace: Workspace, there: Collection[tuple[str, str]]) -> None:
    """Refuse to go on without a set that was registered: nothing would keep its items out any more.

    Raises:
        UserError: One is lost.
    """
    if not workspace.view.exists():
        return
    for name, version in query(workspace.view, "SELECT name, version FROM heldout_sets ORDER BY ALL").rows():
        if (name, version) not in there:
            raise UserError(
                f"version {version} of the held-out set {name} is registered, but its file is gone",
                where=str(workspace.heldout / name / f"*-{version}.parquet"),
                fix=f"restore it from a backup, or register its items with `regrind heldout add {name} FILE`",
            )


def demand_kept_out(workspace: Workspace, manifest: Manifest) -> None:
    """Refuse a snapshot that today's held-out items were not kept out of.

    Raises:
        UserError: A set was registered, or has changed, since it was written.
    """
    known = {(name, version) for name, versions in manifest.heldout.items() for version in versions}
    sets = [*read_heldout(workspace), *(r.held for r in registered(workspace.heldout))]
    for held in sets:
        if (held.name, held.version) not in known:
            problem = f"the held-out set {held.name} has grown or changed since this snapshot was written"
            fix = "write one that keeps it out: `regrind cycle run --restart`, or `regrind curate run`"
            raise UserError(problem, where=f"snapshot {manifest.id}", fix=fix)
