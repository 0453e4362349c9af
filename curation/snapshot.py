"""The one writer of snapshots: a training set whose id is the hash of what it says."""

from __future__ import annotations

import os
import shutil
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from curation.card import card
from curation.contents import Contents, contents_of, minus, plus
from curation.errors import UserError
from curation.files import file_hash, new_folder
from curation.heldout import Checks, without_heldout
from curation.identity import content_id
from curation.manifest import Manifest, read_manifest, write_manifest
from curation.rows import ROWS
from curation.split import place
from curation.state import advance
from curation.stored import GONE, first_rows, part, parts, read_rows
from curation.strata import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curation.heldout import HeldoutSet
    from curation.split import Split
    from curation.state import Curated

BESIDE = 2000
"""So many old rows tell which text the new ones share with them as a template."""

ROW_GROUP = 20_000


class Growth(NamedTuple):
    """How a snapshot differs from another one that is there already.

    Attributes:
        parent: Its id.
        gone: Ids of rows of the parent that are left out from now on.
    """

    parent: str
    gone: Sequence[str] = ()


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
    before = _before(root, growth)
    rows, leaked, before = _without_heldout(curated.rows, heldout, checks, before, recipe)
    state = advance(curated, "heldout", rows, leaked)
    old, gone = (read_rows(before.folder), before.gone) if before else (None, [])
    placed = place(state.rows, split, old)
    state = advance(state, "split", placed.rows.select(ROWS.names()), placed.drops, placed.notes)
    heights = _heights(placed.rows, old, gone)
    if not heights:
        fix = "look at the counts of `regrind curate validate` and loosen the step that dropped the rows"
        raise UserError("no row is left to train on", where="snapshot", fix=fix)
    parent = before.manifest if before else None
    identity = content_id(placed.rows, gone, recipe, parent.id if parent else None)
    target = root / identity
    if target.exists():
        return read_manifest(target)
    draft = Manifest(
        id=identity,
        parent=parent.id if parent else None,
        layers=[*(parent.layers if parent else []), identity],
        recipe=recipe,
        steps=list(state.tallies),
        splits=heights,
        heldout=recipe["heldout"],
        contents=_contents(placed.rows, before),
        files={},
        versions=_versions(),
    )
    with new_folder(target) as folder:
        inherited = _inherit(folder, root, parent) if parent else {}
        _write_layer(folder, draft.own, placed.rows, gone)
        _write_tables(folder, state, rejects)
        (folder / "README.md").write_text(card(draft), encoding="utf8")
        own = sorted(path for path in folder.iterdir() if path.name not in inherited)
        files = inherited | {path.name: file_hash(path) for path in own}
        return write_manifest(folder, msgspec.structs.replace(draft, files=dict(sorted(files.items()))))


def whole_recipe(recipe: dict[str, Any], heldout: Sequence[HeldoutSet], checks: Checks) -> dict[str, Any]:
    """A recipe with what was kept out: part of what the snapshot is, even where it took out nothing."""
    versions = {h.name: [k.version for k in heldout if k.name == h.name] for h in heldout}
    whole = recipe | {"heldout": versions, "checks": msgspec.to_builtins(checks)}
    told: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(whole))  # as a manifest reads it back
    return told


def grown_to(root: Path, parent: Manifest | None, curated: Curated) -> tuple[Curated, Growth | None]:
    """All rows of a snapshot as what they add to a parent, and what they do not have of it.

    Args:
        root: The folder that holds the snapshots.
        parent: The snapshot to grow from, if there is one.
        curated: All rows that the new one is to have.
    """
    if parent is None:
        return curated, None
    old, new = _sayings(read_rows(root / parent.id, columns=SAID)), _sayings(curated.rows)
    same = old.join(new, on=["id", "says"], how="semi").select("id")
    gone = old.join(same, on="id", how="anti")["id"].to_list()
    rows = curated.rows.join(same, on="id", how="anti", maintain_order="left")
    return msgspec.structs.replace(curated, rows=rows), Growth(parent.id, gone)


SAID = ("id", "tags", "parents")


def _sayings(rows: pl.DataFrame) -> pl.DataFrame:
    """What a snapshot says of each id: the tags and parents of all rows that have it."""
    says = pl.concat_str(*(pl.col(name).list.join("\n") for name in SAID[1:]), separator="\n\n")
    return rows.group_by("id").agg(says=says.sort()).with_columns(pl.col("says").list.join("\n\n\n"))


def _versions() -> dict[str, str]:
    """What wrote the files: told, and no part of the id."""
    found = {"python": sys.version.split()[0]}
    for name in ("regrind", "polars", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout
            found[name] = "unknown"
    return found


class _Before(NamedTuple):
    """What a snapshot grows from."""

    folder: Path
    manifest: Manifest
    gone: list[str]

    def rows(self) -> pl.DataFrame:
        rows = read_rows(self.folder)
        return rows.filter(~pl.col("id").is_in(self.gone)) if self.gone else rows


def _before(root: Path, growth: Growth | None) -> _Before | None:
    if growth is None:
        return None
    folder = root / growth.parent
    manifest = read_manifest(folder)
    asked = pl.DataFrame({"id": growth.gone}, schema={"id": pl.String})
    gone = read_rows(folder, columns=["id"]).join(asked, on="id", how="semi") if growth.gone else asked
    return _Before(folder, manifest, sorted(set(gone["id"])))


def _without_heldout(
    rows: pl.DataFrame,
    heldout: Sequence[HeldoutSet],
    checks: Checks,
    before: _Before | None,
    recipe: dict[str, Any],
) -> tuple[pl.DataFrame, pl.DataFrame, _Before | None]:
    """The new rows that may stay, all that may not, and the parent without its own of those.

    Old rows were checked when they came, so they are looked at only where the sets or the checks are others.
    """
    if before is None:
        return *without_heldout(rows, heldout, checks), None
    if all(before.manifest.recipe.get(key) == recipe[key] for key in ("heldout", "checks")):
        return *without_heldout(rows, heldout, checks, beside=first_rows(before.folder, BESIDE)), before
    old = before.rows().drop("split")
    _, leaked = without_heldout(pl.concat([old, rows]), heldout, checks)
    ids = leaked["row_id"].to_list()
    gone = {*before.gone, *old["id"].filter(old["id"].is_in(ids))}
    return rows.filter(~pl.col("id").is_in(ids)), leaked, before._replace(gone=sorted(gone))


def _heights(rows: pl.DataFrame, old: pl.DataFrame | None, gone: Sequence[str]) -> dict[str, int]:
    kept = rows.head(0) if old is None else old.filter(~pl.col("id").is_in(gone))
    splits = pl.concat([rows["split"], kept["split"]])
    return {name: n for name in SPLITS if (n := int((splits == name).sum()))}


def _contents(rows: pl.DataFrame, before: _Before | None) -> Contents:
    own = contents_of(rows)
    if before is None:
        return own
    whole = plus(before.manifest.contents, own)
    if not before.gone:
        return whole
    return minus(whole, contents_of(read_rows(before.folder, chosen=pl.Series(before.gone))))


def _inherit(folder: Path, root: Path, parent: Manifest) -> dict[str, str]:
    """The parent's layers, under the same names and without a copy where the file system can do that."""
    names = [name for layer in range(len(parent.layers)) for name in parts(layer)]
    for name in names:
        source = root / parent.id / name
        try:
            os.link(source, folder / name)
        except OSError:
            shutil.copyfile(source, folder / name)
    return {name: parent.files[name] for name in names}


def _write_layer(folder: Path, layer: int, rows: pl.DataFrame, gone: Sequence[str]) -> None:
    for name in SPLITS:
        chosen = rows.filter(split=name).drop("split")
        chosen.write_parquet(folder / part(name, layer), row_group_size=ROW_GROUP)
    if layer:
        ids = pl.DataFrame({"id": gone}, schema={"id": pl.String})
        ids.write_parquet(folder / part(GONE, layer))


def _write_tables(folder: Path, state: Curated, rejects: pl.DataFrame | None) -> None:
    state.drops.write_parquet(folder / "drops.parquet")
    state.findings.write_parquet(folder / "findings.parquet")
    state.conflicts.write_parquet(folder / "conflicts.parquet")
    if rejects is not None:
        rejects.write_ndjson(folder / "rejects.jsonl")
