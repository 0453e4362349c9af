"""The snapshot that another one grows from: what comes to it, what goes, and what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.contents import Contents, contents_of, minus
from curation.heldout import STEP, without_heldout
from curation.identity import SAID, sayings
from curation.manifest import Manifest, chain, read_manifest
from curation.old_rows import OldRows, meet
from curation.state import SAME, Curated, advance
from curation.stored import first_rows, read_rows, read_table
from curation.strata import Counted, added, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from curation.heldout import Checks, HeldoutSet
    from curation.split import Split

BESIDE = 2000
"""So many old rows tell which text the new ones share with them as a template."""


class Growth(NamedTuple):
    """How a snapshot differs from another one that is there already.

    Attributes:
        parent: Its id.
        gone: Ids of rows of the parent that are left out from now on.
        say: Is told why all rows of the parent are read, where they are many.
    """

    parent: str
    gone: Sequence[str] = ()
    say: Callable[[str], None] | None = None


class Parent(NamedTuple):
    """What a snapshot grows from.

    Attributes:
        folder: Its folder.
        manifest: Its manifest.
        gone: Ids of rows that it shall lose.
        say: See `Growth`.
    """

    folder: Path
    manifest: Manifest
    gone: Sequence[str]
    say: Callable[[str], None] | None


class Left(NamedTuple):
    """What is left of the parent.

    Attributes:
        old: Its rows that matter to the new ones.
        gone: Ids of its rows that go, ascending.
        had: Rows that stay by stratum and split.
        splits: Rows that stay by split.
        contents: What they are.
    """

    old: OldRows
    gone: list[str]
    had: Counted
    splits: dict[str, int]
    contents: Contents


def parent_of(root: Path, growth: Growth | None) -> Parent | None:
    """The parent that a growth names.

    Raises:
        UserError: It is missing or damaged.
    """
    if growth is None:
        return None
    folder = root / growth.parent
    return Parent(folder, read_manifest(folder), growth.gone, growth.say)


def grown_to(
    root: Path, parent: Manifest | None, curated: Curated, say: Callable[[str], None] | None = None
) -> tuple[Curated, Growth | None]:
    """All rows of a snapshot as what they add to a parent, and what they do not have of it.

    Args:
        root: The folder that holds the snapshots.
        parent: The snapshot to grow from, if there is one.
        curated: All rows that the new one is to have.
        say: See `Growth`.
    """
    if parent is None:
        return curated, None
    old, new = sayings(read_rows(root / parent.id, columns=("id", *SAID))), sayings(curated.rows)
    same = old.join(new, on=["id", "says"], how="semi").select("id")
    gone = old.join(same, on="id", how="anti")["id"].to_list()
    rows = curated.rows.join(same, on="id", how="anti", maintain_order="left")
    notes = {"parent": parent.id, SAME: curated.rows.height - rows.height}
    return advance(curated, "grow", rows, notes=notes), Growth(parent.id, gone, say)


def kept_out(
    curated: Curated,
    heldout: Sequence[HeldoutSet],
    checks: Checks,
    parent: Parent | None,
    recipe: dict[str, Any],
) -> tuple[Curated, Parent | None]:
    """The new rows without held-out ones, and the parent that shall lose its own of those.

    Old rows were checked when they came, so they are looked at only where the sets or the checks are others.
    """
    if parent is None:
        return advance(curated, STEP, *without_heldout(curated.rows, heldout, checks)), None
    before = _left_out_before(parent)
    if all(parent.manifest.recipe.get(key) == recipe[key] for key in ("heldout", "checks")):
        beside = first_rows(parent.folder, BESIDE)
        found = without_heldout(curated.rows, heldout, checks, beside=beside, before=before)
        return advance(curated, STEP, *found), parent
    old = read_rows(parent.folder).drop("split").filter(~pl.col("id").is_in(list(parent.gone)))
    _, leaked = without_heldout(pl.concat([old, curated.rows]), heldout, checks, before=before)
    ids = leaked["row_id"].to_list()
    rows = curated.rows.filter(~pl.col("id").is_in(ids))
    gone = [*parent.gone, *old["id"].filter(old["id"].is_in(ids))]
    ours = leaked.height - (curated.rows.height - rows.height)
    return advance(curated, STEP, rows, leaked, old=ours), parent._replace(gone=gone)


def _left_out_before(parent: Parent) -> pl.DataFrame:
    """What was left out for a held-out item on the way to a parent, as far as the snapshots are there."""
    way = (parent.folder.with_name(manifest.id) for manifest in chain(parent.folder))
    return pl.concat([read_table(folder, "drops").filter(step=STEP) for folder in way])


def left_of(parent: Parent, new: pl.DataFrame, split: Split) -> Left:
    """What is left of a parent, and which of its rows matter to the new ones.

    Args:
        parent: The parent.
        new: The rows that come (schema ROWS).
        split: How they are split.
    """
    old = meet(parent.folder, new, ids=parent.gone, say=parent.say)
    goes = old.rows.filter("live", pl.col("id").is_in(list(parent.gone)))
    had = added(_counted(parent, split), counted(goes, split.stratify), -1)
    splits = added({"": parent.manifest.splits}, counted(goes, ""), -1).get("", {})
    contents = minus(parent.manifest.contents, contents_of(goes))
    return Left(old, sorted(set(goes["id"])), had, splits, contents)


def _counted(parent: Parent, split: Split) -> Counted:
    """The parent's rows by stratum and split; it says so itself if it was split the same way."""
    manifest = parent.manifest
    if not split.stratify:
        return {"": manifest.splits}
    notes = next((tally.notes for tally in reversed(manifest.steps) if tally.step == "split"), {})
    if notes.get("by") == split.stratify:
        told: Counted = notes["strata"]
        return told
    return counted(read_rows(parent.folder), split.stratify)
