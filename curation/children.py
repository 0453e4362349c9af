"""Rows that were made from others: they follow their parents through every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.augmentation.place import AUGMENTED
from curation.rows import drop_frame

if TYPE_CHECKING:
    from collections.abc import Collection

MADE = pl.col("tags").list.contains(AUGMENTED) & (pl.col("parents").list.len() > 0)
"""Whether augmentation made a row."""


def without_orphans(
    rows: pl.DataFrame, gone: Collection[str], step: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out the rows that descend from one that went: what speaks against it speaks against them.

    Args:
        rows: Rows with schema ROWS.
        gone: Ids of the rows that went.
        step: The step that they went in.

    Returns:
        The rows that stay, and the others as drops.
    """
    orphans = descendants(rows, set(gone) - set(rows["id"]))
    place = rows.select("id", "source", "line")
    drops = [
        dict(zip(("row_id", "source", "line"), place.row(number), strict=True))
        | {"step": step, "reason": "made from a row that went", "partner_id": parent}
        for number, parent in sorted(orphans.items())
    ]
    stay = pl.Series([number not in orphans for number in range(rows.height)], dtype=pl.Boolean)
    return rows.filter(stay), drop_frame(drops)


def descendants(rows: pl.DataFrame, ancestors: Collection[str]) -> dict[int, str]:
    """The numbers of the rows that descend from some ids, parents before their children.

    Returns:
        For each of them the parent by which it does: an ancestor, or another descendant.
    """
    found, known = dict[int, str](), set(ancestors)
    ids, parents = rows["id"].to_list(), rows["parents"].to_list()
    grew = bool(known)
    while grew:
        grew = False
        for number, of in enumerate(parents):
            if number not in found and (parent := next((p for p in of if p in known), None)):
                found[number] = parent
                known.add(ids[number])
                grew = True
    return found


def with_parents_renamed(rows: pl.DataFrame, before: pl.Series) -> pl.DataFrame:
    """Rows whose parents have the ids of now.

    Args:
        rows: Rows with schema ROWS that a step changed, and so gave other ids.
        before: The ids that they had (rows,).
    """
    names = {old: new for old, new in zip(before, rows["id"], strict=True) if old != new}
    if not names:
        return rows
    return rows.with_columns(parents=pl.col("parents").list.eval(pl.element().replace(names)))
