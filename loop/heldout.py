"""The workspace's held-out sets: demanded, read and frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from curation.heldout import HeldoutSet, freeze
from curation.intake import read_file
from curation.validate import validate

if TYPE_CHECKING:
    from loop.config import Config
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
        UserError: A file is missing, or one of its lines is no item with a reference answer: an
            evaluation set must be whole, so nothing is left out of it silently.
    """
    sets = []
    for held in workspace.config.heldout:
        path = workspace.path(held.file)
        rows, rejects = read_file(path, source=held.file)
        faults = validate(rows, kind="evaluation").filter(
            pl.col("level") == "error", pl.col("line").is_not_null()
        )
        bad = [(r["line"], r["reason"]) for r in rejects.iter_rows(named=True)]
        bad += [(f["line"], f["message"]) for f in faults.iter_rows(named=True)]
        if bad:
            line, reason = min(bad)
            fix = "correct the line, or remove it"
            raise UserError(f"held-out item: {reason}", where=f"{path}:{line}", fix=fix)
        if (twice := rows["id"].is_duplicated()).any():
            line = rows.filter(twice)["line"][-1]
            raise UserError("this held-out item stands twice", where=f"{path}:{line}", fix="remove one")
        sets.append(freeze(held.name, rows))
    return sets
