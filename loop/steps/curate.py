"""Step: the seed files become the first snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.errors import UserError
from curation.intake import Intake, read_file
from curation.rules import Settings
from curation.snapshot import write_snapshot
from curation.steps import run_steps
from loop.config import rule_settings
from loop.heldout import read_heldout
from loop.ledger import Outcome
from loop.snapshots import record

if TYPE_CHECKING:
    import duckdb

    from curation.snapshot import Manifest
    from loop.config import Config
    from loop.cycle import Context
    from loop.progress import Progress
    from loop.workspace import Workspace


def run(context: Context) -> Outcome:
    """Read, validate, deduplicate, redact, select, augment, split, write."""
    workspace = context.workspace
    manifest, rejected = curate(workspace, context.progress)

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        record(connection, workspace.snapshots / manifest.id, manifest, context.cycle)

    splits = ", ".join(f"{count} {name}" for name, count in manifest.splits.items())
    outputs: dict[str, Any] = {"snapshot": manifest.id, "rejected": rejected}
    return Outcome(outputs, f"snapshot {manifest.id}: {splits}; {rejected} lines rejected", commit)


def curate(workspace: Workspace, progress: Progress) -> tuple[Manifest, int]:
    """Write the snapshot of the configured seed files; returns it and the number of rejected lines."""
    config = workspace.config
    intake = read_seed(workspace)
    if intake.rejects.height:
        progress.say(f"  intake: {intake.rows.height} rows, {intake.rejects.height} lines rejected")
    rules = rule_settings(config)
    curated = run_steps(intake.rows, config.curate.step, lambda line: progress.say(f"  {line}"), rules)
    recipe = rules_of(config) | {
        "steps": msgspec.to_builtins(config.curate.step),
        "split": msgspec.to_builtins(config.curate.split),
        "inputs": seed_hashes(workspace),
    }
    ratios = msgspec.to_builtins(config.curate.split)
    manifest = write_snapshot(
        workspace.snapshots,
        curated,
        recipe=recipe,
        ratios=ratios,
        heldout=read_heldout(workspace),
        rejects=intake.rejects,
    )
    return manifest, intake.rejects.height


def rules_of(config: Config) -> dict[str, Any]:
    """The `[rules]` table as part of a recipe; nothing where it is left at its defaults."""
    return {"rules": msgspec.to_builtins(config.rules)} if config.rules != Settings() else {}


def seed_hashes(workspace: Workspace) -> dict[str, str]:
    """SHA-256 of each seed file: part of a snapshot's recipe, so that a change is noticed."""
    hashes = workspace.inputs()
    return {name: hashes[name] for name in workspace.config.data.seed}


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
