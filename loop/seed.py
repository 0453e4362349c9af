"""The seed files of a workspace: read as one, and known by their hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.errors import UserError
from curation.intake import Intake, read_file
from curation.rules import Settings

if TYPE_CHECKING:
    from loop.config import Config
    from loop.workspace import Workspace


def rules_of(config: Config) -> dict[str, Any]:
    """The `[rules]` table as part of a recipe; nothing where it is left at its defaults."""
    return {"rules": msgspec.to_builtins(config.rules)} if config.rules != Settings() else {}


def seed_hashes(workspace: Workspace) -> dict[str, str]:
    """SHA-256 of each seed file: part of a snapshot's recipe, so that a change is noticed.

    Raises:
        UserError: One of them is missing.
    """
    return {name: workspace.hash_of(name) for name in workspace.config.data.seed}


def read_seed(workspace: Workspace) -> Intake:
    """All seed files as one.

    Raises:
        UserError: The configuration names none, or one cannot be read.
    """
    names = workspace.config.data.seed
    if not names:
        raise UserError(
            "no seed file is named", where="regrind.toml: data.seed", fix='set seed = ["data/seed.jsonl"]'
        )
    parts = [read_file(workspace.path(name), source=name) for name in names]
    return Intake(pl.concat([p.rows for p in parts]), pl.concat([p.rejects for p in parts]))
