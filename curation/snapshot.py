"""The one writer of snapshots: a training set whose id is the hash of what it says."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import msgspec

from curation.card import card
from curation.contents import contents_of, plus
from curation.errors import UserError
from curation.files import file_hash, new_folder
from curation.heldout import SEARCH, Checks
from curation.identity import content_id
from curation.layers import inherit, write_layer
from curation.manifest import Manifest, read_manifest, write_manifest
from curation.parent import kept_out, left_of, parent_of
from curation.rows import ROWS
from curation.split import place
from curation.state import advance
from curation.strata import added, counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    from curation.heldout import HeldoutSet
    from curation.parent import Growth, Left, Parent
    from curation.split import Split
    from curation.state import Curated


def write_snapshot(
    root: Path,
    curated: Curated,
    *,
    recipe: dict[str, Any],
    split: Split,
    heldout: Sequence[HeldoutSet],
    checks: Checks | None = None,
    growth: Growth | None = None,
    rejects: pl.DataFrame | None = None,
) -> Manifest:
    """Write a snapshot below `root` and return its manifest.

    Rows whose prompt is in a held-out set, or nearly is, are left out here, whatever road they came by; so
    are rows that would join near-duplicates in two splits. The folder appears whole or not at all; one that
    exists has the same content already.

    Args:
        root: The folder that holds the snapshots.
        curated: The rows, or the new ones where it grows from another; and everything the steps found.
        recipe: What was done: steps, settings, input hashes; part of the id.
        split: Shares of the splits.
        heldout: The frozen sets, in all their versions.
        checks: How near a row may come to a held-out item.
        growth: What it grows from, and what goes.
        rejects: Lines that were no rows (schema REJECTS).

    Raises:
        UserError: No row is left, the parent is missing or damaged, or the disk is full.
    """
    checks = checks or Checks()
    recipe = whole_recipe(recipe, heldout, checks)
    state, parent = kept_out(curated, heldout, checks, parent_of(root, growth), recipe)
    left = left_of(parent, state.rows, split) if parent else None
    placed = place(state.rows, split, left.old, left.had) if left else place(state.rows, split)
    state = advance(state, "split", placed.rows.select(ROWS.names()), placed.drops, placed.notes)
    draft = _draft(state, placed.rows, recipe, parent, left)
    target = root / draft.id
    if target.exists():
        return read_manifest(target)
    with new_folder(target) as folder:
        inherited = inherit(folder, parent.folder, parent.manifest) if parent else {}
        write_layer(folder, draft.own, placed.rows, left.gone if left else [])
        _write_tables(folder, state, rejects)
        (folder / "README.md").write_text(card(draft), encoding="utf8")
        own = sorted(path for path in folder.iterdir() if path.name not in inherited)
        files = inherited | {path.name: file_hash(path) for path in own}
        return write_manifest(folder, msgspec.structs.replace(draft, files=dict(sorted(files.items()))))


def whole_recipe(recipe: dict[str, Any], heldout: Sequence[HeldoutSet], checks: Checks) -> dict[str, Any]:
    """A recipe with what was kept out: part of what the snapshot is, even where it took out nothing."""
    versions = {h.name: [k.version for k in heldout if k.name == h.name] for h in heldout}
    whole = recipe | {"heldout": versions, "checks": msgspec.to_builtins(checks) | {"search": SEARCH}}
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))  # as a manifest reads it back
    return told


def _draft(
    state: Curated, rows: pl.DataFrame, recipe: dict[str, Any], parent: Parent | None, left: Left | None
) -> Manifest:
    """The manifest but for its files.

    Raises:
        UserError: No row is left.
    """
    heights, contents = counted(rows, ""), contents_of(rows)
    if left:
        heights, contents = added({"": left.splits}, heights), plus(left.contents, contents)
    if not heights:
        fix = "look at the counts of `regrind curate validate` and loosen the step that dropped the rows"
        raise UserError("no row is left to train on", where="snapshot", fix=fix)
    name = parent.manifest.id if parent else None
    identity = content_id(rows, left.gone if left else [], recipe, name)
    return Manifest(
        id=identity,
        parent=name,
        layers=[*(parent.manifest.layers if parent else []), identity],
        recipe=recipe,
        steps=list(state.tallies),
        splits=heights[""],
        heldout=recipe["heldout"],
        contents=contents,
        files={},
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    """What wrote the files: told, and no part of the id."""
    found = {"python": sys.version.split()[0]}
    for name in ("regrind", "polars", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout
            found[name] = "unknown"
    return found


def _write_tables(folder: Path, state: Curated, rejects: pl.DataFrame | None) -> None:
    state.drops.write_parquet(folder / "drops.parquet")
    state.findings.write_parquet(folder / "findings.parquet")
    state.conflicts.write_parquet(folder / "conflicts.parquet")
    if rejects is not None:
        rejects.write_ndjson(folder / "rejects.jsonl")
