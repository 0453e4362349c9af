"""The one writer of snapshots: a training set whose id is the hash of what it says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.errors import UserError
from curation.files import file_hash, new_folder
from curation.heldout import HeldoutSet, without_heldout
from curation.rows import short_hash
from curation.split import SPLITS, assign_families, assign_splits
from curation.steps import Curated, Tally, advance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

FORMAT = 1


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a snapshot is.

    Attributes:
        id: Hash of the rows, their splits, the parent and the recipe.
        parent: Id of the snapshot it grew from, or null.
        recipe: The steps with their settings, and the inputs with their hashes.
        steps: Rows in and out of each step, drops by reason.
        splits: Rows by split.
        heldout: Versions of the held-out sets that were kept out, by name.
        files: SHA-256 of each file, by name.
        format: Version of this layout.
    """

    id: str
    parent: str | None
    recipe: dict[str, Any]
    steps: list[Tally]
    splits: dict[str, int]
    heldout: dict[str, str]
    files: dict[str, str]
    format: int = FORMAT


def write_snapshot(
    root: Path,
    curated: Curated,
    *,
    recipe: dict[str, Any],
    ratios: Mapping[str, float],
    heldout: Sequence[HeldoutSet],
    parent: str | None = None,
    rejects: pl.DataFrame | None = None,
) -> Manifest:
    """Write a snapshot below `root` and return its manifest.

    Rows whose prompt is in a held-out set, or nearly is, are left out here, whatever road they
    came by. The folder appears whole or not at all; one that exists has the same content already.

    Args:
        root: The folder that holds the snapshots.
        curated: Rows and everything the steps found.
        recipe: What was done: steps, settings, input hashes; part of the id.
        ratios: Share of each split.
        heldout: The frozen sets.
        parent: Id of the snapshot that this one grew from.
        rejects: Lines that were no rows (schema REJECTS).

    Raises:
        UserError: No row is left, or the disk is full.
    """
    rows, leaked = without_heldout(curated.rows, heldout)
    state = advance(curated, "heldout", rows, leaked)
    if not rows.height:
        fix = "look at the counts of `regrind curate validate` and loosen the step that dropped the rows"
        raise UserError("no row is left to train on", where="snapshot", fix=fix)
    table = assign_splits(assign_families(rows), ratios).sort("id", "source", "line")
    versions = {h.name: h.version for h in heldout}
    # What was kept out is part of what the snapshot is, even where it took out nothing.
    recipe = recipe | {"heldout": versions}
    identity = content_id(table, recipe, parent)
    target = root / identity
    if target.exists():
        return read_manifest(target)
    with new_folder(target) as folder:
        _write_tables(folder, table, state, rejects)
        splits = _count(table)
        draft = Manifest(identity, parent, recipe, list(state.tallies), splits, versions, {})
        (folder / "README.md").write_text(card(draft), encoding="utf8")
        files = {path.name: file_hash(path) for path in sorted(folder.iterdir())}
        manifest = msgspec.structs.replace(draft, files=files)
        (folder / "manifest.json").write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2))
    return manifest


def content_id(table: pl.DataFrame, recipe: dict[str, Any], parent: str | None) -> str:
    """The id of a snapshot from its logical content, whatever wrote the files.

    Args:
        table: Rows with a column `split`.
        recipe: The recipe.
        parent: The parent's id.
    """
    rows = sorted(table.select("id", "split", "family", "tags", "parents").rows())
    return short_hash([FORMAT, [list(row) for row in rows], recipe, parent])


def _count(table: pl.DataFrame) -> dict[str, int]:
    return {name: n for name in SPLITS if (n := table.filter(split=name).height)}


def _write_tables(folder: Path, table: pl.DataFrame, state: Curated, rejects: pl.DataFrame | None) -> None:
    for name in SPLITS:
        table.filter(split=name).drop("split").write_parquet(folder / f"{name}.parquet")
    state.drops.write_parquet(folder / "drops.parquet")
    state.findings.write_parquet(folder / "findings.parquet")
    state.conflicts.write_parquet(folder / "conflicts.parquet")
    if rejects is not None:
        rejects.write_ndjson(folder / "rejects.jsonl")


def card(manifest: Manifest) -> str:
    """The data card of a snapshot, as Markdown."""
    lines = [f"# Snapshot {manifest.id}", "", f"Parent: {manifest.parent or 'none'}", "", "## Rows", ""]
    lines += [f"- {name}: {count}" for name, count in manifest.splits.items()]
    lines += ["", "## Steps", "", "| step | rows in | rows out | dropped |", "|---|---|---|---|"]
    for t in manifest.steps:
        why = "; ".join(f"{reason}: {n}" for reason, n in t.dropped.items()) or "none"
        lines.append(f"| {t.step} | {t.rows_in} | {t.rows_out} | {why} |")
    lines += ["", "## Kept out", ""]
    lines += [f"- held-out set {name}, version {version}" for name, version in manifest.heldout.items()]
    lines += [
        "",
        "## Recipe",
        "",
        "```json",
        json.dumps(manifest.recipe, indent=2, sort_keys=True),
        "```",
        "",
    ]
    return "\n".join(lines)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a snapshot.

    Raises:
        UserError: There is no snapshot here, or its manifest does not decode.
    """
    path = folder / "manifest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError as fault:
        raise UserError(
            "there is no such snapshot", where=str(folder), fix="run `regrind snapshot list`"
        ) from fault
    except msgspec.DecodeError as fault:
        fix = "restore the folder from a backup, or write the snapshot again with `regrind curate run`"
        raise UserError(f"the manifest is damaged: {fault}", where=str(path), fix=fix) from fault


def chain(folder: Path) -> list[Manifest]:
    """The manifests of a snapshot and of those that it grew from, the newest first.

    Raises:
        UserError: One of them is missing or damaged.
    """
    manifests = [read_manifest(folder)]
    while parent := manifests[-1].parent:
        manifests.append(read_manifest(folder.parent / parent))
    return manifests


def read_rows(folder: Path, split: str | None = None) -> pl.DataFrame:
    """Rows of a snapshot with a column `split`.

    Args:
        folder: The snapshot's folder.
        split: One split; all of them unless given.

    Raises:
        UserError: A file is missing or damaged.
    """
    names = [split] if split else list(SPLITS)
    return pl.concat([read_table(folder, n).with_columns(split=pl.lit(n)) for n in names])


def read_table(folder: Path, name: str, columns: list[str] | None = None) -> pl.DataFrame:
    """Read one of a snapshot's tables: a split, `drops`, `findings` or `conflicts`.

    Args:
        folder: The snapshot's folder.
        name: The table.
        columns: Those that are wanted; all of them unless given.

    Raises:
        UserError: The file is missing or damaged.
    """
    path = folder / f"{name}.parquet"
    try:
        return pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as fault:
        fix = "restore the folder from a backup; `regrind snapshot verify` lists every fault"
        raise UserError(f"the snapshot is damaged: {fault}", where=str(path), fix=fix) from fault


def verify(folder: Path) -> list[str]:
    """What is wrong with a snapshot: files changed, missing or foreign, a wrong id; empty if all is well."""
    manifest = read_manifest(folder)
    present = {path.name for path in folder.iterdir()} - {"manifest.json"}
    faults = [f"{name}: missing" for name in sorted(manifest.files.keys() - present)]
    faults += [f"{name}: does not belong here" for name in sorted(present - manifest.files.keys())]
    for name in sorted(manifest.files.keys() & present):
        if file_hash(folder / name) != manifest.files[name]:
            faults.append(f"{name}: changed since it was written")
    if not faults:
        rows = read_rows(folder)
        if content_id(rows, manifest.recipe, manifest.parent) != manifest.id:
            faults.append("manifest.json: the id is not that of the content")
        if _count(rows) != manifest.splits:
            faults.append("manifest.json: the splits are not those of the files")
    if folder.name != manifest.id:
        faults.append(f"manifest.json: the folder is called {folder.name}, the snapshot {manifest.id}")
    return faults


def demand_whole(folder: Path) -> None:
    """Refuse a snapshot that is not as it was written.

    Raises:
        UserError: It is missing or changed.
    """
    if faults := verify(folder):
        fix = "restore the folder from a backup; `regrind snapshot verify` lists every fault"
        raise UserError(f"the snapshot is damaged: {faults[0]}", where=str(folder), fix=fix)
