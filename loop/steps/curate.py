"""Step: the seed files become a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from curation.manifest import NAME, read_manifest
from curation.parent import grown_to
from curation.recipe import Merge, recipe_of
from curation.snapshot import whole_recipe, write_snapshot
from curation.steps import run_steps
from loop.config import rule_settings
from loop.growth import grow
from loop.heldout import kept_out
from loop.ledger import Outcome
from loop.seed import read_seed, rules_of, seed_hashes
from loop.snapshots import record
from loop.steps.merge import accepted
from loop.store import query, transaction
from loop.traces import all_judged

if TYPE_CHECKING:
    import duckdb

    from curation.manifest import Manifest
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


def run_recipe(workspace: Workspace, progress: Progress) -> tuple[Manifest, int]:
    """The configured steps, with what a merge step brings from the store; as `curate` otherwise."""
    known = snapshots(workspace)
    if not known or not any(isinstance(step, Merge) for step in workspace.config.curate.step):
        return curate(workspace, progress)
    with transaction(workspace.store) as connection:
        traces, corrected = all_judged(connection), accepted(connection)
    manifest, offered = grow(workspace, known[0].id, traces, corrected, progress)
    progress.say(f"  merge: {offered} rows offered to snapshot {known[0].id}")
    return manifest, rejected_lines(workspace, manifest)


def curate(workspace: Workspace, progress: Progress) -> tuple[Manifest, int]:
    """Write the snapshot of the configured seed files; returns it and the number of rejected lines.

    It grows from the last one that was made of seed files alone, so that rows keep their splits; where
    nothing has changed since, it is that one.
    """
    config, heldout = workspace.config, kept_out(workspace)
    recipe = rules_of(config) | {
        "steps": recipe_of(config.curate.step),
        "split": msgspec.to_builtins(config.curate.split),
        "inputs": seed_hashes(workspace),
    }
    parent = next((m for m in snapshots(workspace) if "merge" not in m.recipe), None)
    if parent and parent.recipe == whole_recipe(recipe, heldout, config.curate.heldout):
        return parent, rejected_lines(workspace, parent)
    intake = read_seed(workspace)
    if intake.rejects.height:
        progress.say(f"  intake: {intake.rows.height} rows, {intake.rejects.height} lines rejected")
    rules = rule_settings(config)
    curated = run_steps(intake.rows, config.curate.step, lambda line: progress.say(f"  {line}"), rules)
    curated, growth = grown_to(workspace.snapshots, parent, curated, progress.say)
    manifest = write_snapshot(
        workspace.snapshots,
        curated,
        recipe=recipe,
        split=config.curate.split,
        heldout=heldout,
        checks=config.curate.heldout,
        growth=growth,
        rejects=intake.rejects,
    )
    return manifest, intake.rejects.height


def snapshots(workspace: Workspace) -> list[Manifest]:
    """The snapshots that the store knows and that are there, the newest first."""
    if not workspace.view.exists():
        return []
    names = query(workspace.view, "SELECT id FROM snapshots ORDER BY created DESC, id")["id"]
    folders = [workspace.snapshots / name for name in names]
    return [read_manifest(folder) for folder in folders if (folder / NAME).exists()]


def rejected_lines(workspace: Workspace, manifest: Manifest) -> int:
    """How many lines were rejected on the way to a snapshot."""
    path = workspace.snapshots / manifest.id / "rejects.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0
