"""Splits by near-duplicate family: hashed, so that a row never changes split as data grows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.children import without_orphans
from curation.near.apart import NEITHER, Families, Known, families
from curation.near.pipeline import cut, of_rows
from curation.old_rows import THRESHOLD
from curation.rows import ROWS, drop_frame
from curation.strata import SPLITS, Counted, Share, Stratify, added, counted, shares, split_of, stratified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from curation.old_rows import OldRows


class Split(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Shares of the splits; together they are 1.

    Attributes:
        train: What is trained on.
        validation: What is watched while training.
        test: What is looked at in the end; the gate uses held-out sets, not this.
        stratify: Give each `tag` (a row's first one) or each `label` (its answer) these shares, as near as
            its families allow; empty: all rows together have them.
    """

    train: Share = 0.8
    validation: Share = 0.2
    test: Share = 0.0
    stratify: Stratify = ""

    def __post_init__(self) -> None:
        if not math.isclose(self.train + self.validation + self.test, 1, abs_tol=1e-9):
            raise ValueError("train, validation and test must add up to 1")

    @property
    def ratios(self) -> dict[str, float]:
        """The shares by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


class Placed(NamedTuple):
    """Rows with their splits.

    Attributes:
        rows: Rows with `family` and a column `split`, by id.
        drops: Rows that would have joined families of two splits (schema DROPS).
        notes: The shares that were asked for and those that came out, of all rows and of each stratum.
    """

    rows: pl.DataFrame
    drops: pl.DataFrame
    notes: dict[str, Any]


def place(
    rows: pl.DataFrame,
    split: Split,
    old: OldRows | None = None,
    had: Counted | None = None,
    *,
    threshold: float = THRESHOLD,
) -> Placed:
    """Give every row its family and its split.

    A row takes the family, and so the split, of the old rows that it resembles or was made from. One that
    belongs to families of two splits is left out, with the rows that were made from it.

    Args:
        rows: Rows with schema ROWS, in any order.
        split: Shares of the splits.
        old: Rows that have a family and a split already, and keep them.
        had: Old rows of each stratum, as `curation.strata.counted` counts them.
        threshold: Smallest Jaccard similarity of two prompts of one family.
    """
    new = rows.sort("id", "source", "line", maintain_order=True)
    known = new.clear().with_columns(split=pl.lit("")) if old is None else old.rows
    new = _again(new, known)
    both = pl.concat([known.select(ROWS.names()), new])
    corpus = cut(*of_rows(both["messages"], "prompt"), shared=True if old is None else old.shared)
    found = families(corpus, threshold, _known(both, known))
    named = _named(both, found, known.height).with_columns(split=_sides(found.side))[known.height :]
    bridges = found.one[known.height :] >= 0
    stay, orphans = without_orphans(
        named.filter(pl.Series(~bridges)), set(new["id"].filter(bridges)), "split"
    )
    stay = _with_splits(stay, split, had or {})
    drops = pl.concat([_bridges(both, found), orphans])
    counts = added(had or {}, counted(stay, split.stratify))
    return Placed(stay, drops, shares(counts, split.ratios, split.stratify))


def _again(new: pl.DataFrame, old: pl.DataFrame) -> pl.DataFrame:
    """New rows, those that were there before in the family that they had, whatever else is said of them."""
    had = old.select("id", had="family").unique("id", keep="last")
    joined = new.join(had, on="id", how="left", maintain_order="left")
    return joined.with_columns(family=pl.coalesce("had", "family")).drop("had")


def _known(both: pl.DataFrame, old: pl.DataFrame) -> Known:
    """Old families as they are; new rows with the given family, and children with their parents, together."""
    numbered = both.select("family", at=pl.int_range(pl.len(), dtype=pl.Int64))
    first = pl.col("at").min().over("family")
    family = np.arange(both.height)
    family[: old.height] = numbered[: old.height].select(first).to_series().to_numpy()
    side = np.full(both.height, NEITHER, np.int8)
    side[: old.height] = old["split"].replace_strict(_SIDES, return_dtype=pl.Int8).to_numpy()
    ties = (
        numbered.drop_nulls()
        .with_columns(first=first)
        .filter(pl.col("at") >= old.height, pl.col("at") != pl.col("first"))
    )
    child, parent = descent(both, old.height)
    left, right = (np.concatenate((ties[n].to_numpy(), e)) for n, e in (("at", child), ("first", parent)))
    return Known(family, side, left, right)


_SIDES = {name: number for number, name in enumerate(SPLITS)}


def _sides(side: NDArray[np.int8]) -> pl.Series:
    names = {number: name for name, number in _SIDES.items()}
    return pl.Series("split", side).replace_strict(names, default=None, return_dtype=pl.String)


def _named(rows: pl.DataFrame, found: Families, old: int = 0) -> pl.DataFrame:
    """Rows with the name of their family: one that it has, an old one first, or its smallest id."""
    before = pl.col("family").filter(pl.col("at") < old).min().over("first")
    origin = pl.coalesce(pl.col("parents").list.min(), "id")
    name = pl.coalesce(before, pl.coalesce(pl.col("family").min(), origin.min()).over("first"))
    numbered = rows.with_columns(first=pl.Series(found.first), at=pl.int_range(pl.len()))
    return numbered.with_columns(family=name).drop("first", "at")


def _with_splits(rows: pl.DataFrame, split: Split, old: Counted) -> pl.DataFrame:
    """Rows whose new families have a split, too."""
    free = rows.filter(pl.col("split").is_null())
    if split.stratify:
        found = stratified(free, old, split.ratios, split.stratify)
    else:
        found = {family: split_of(family, split.ratios) for family in free["family"].unique()}
    taken = pl.col("family").replace_strict(found, default=None, return_dtype=pl.String)
    return rows.with_columns(split=pl.coalesce("split", taken))


def _bridges(both: pl.DataFrame, found: Families) -> pl.DataFrame:
    """Rows that are left out, with the two that they are like."""
    (numbers,) = np.nonzero(found.one >= 0)
    names = _sides(found.side)
    drops = []
    for number in numbers.tolist():
        row, one, other = (
            both.row(int(n), named=True) for n in (number, found.one[number], found.other[number])
        )
        sides = [names[int(found.first[n])] for n in (found.one[number], found.other[number])]
        detail = f"like row {one['id']} in {sides[0]} and row {other['id']} in {sides[1]}"
        drops.append(
            {"row_id": row["id"], "source": row["source"], "line": row["line"], "step": "split"}
            | {"reason": "would join families of two splits", "partner_id": other["id"], "detail": detail}
            | {"partner_source": other["source"], "partner_line": other["line"]}
        )
    return drop_frame(drops)


def assign_families(rows: pl.DataFrame, *, threshold: float = THRESHOLD) -> pl.DataFrame:
    """Give every row without a family the family of its near-duplicates.

    A family is a set of rows whose prompts chain by similarity or by descent. It is named after its
    smallest row id, or after the name that one of its rows already has, so a new row takes the family
    (and so the split) of the old rows that it resembles. A child counts by its parent's id, even where the
    parent is not among the rows: in a file of its own it has the family that its parent has alone.

    Args:
        rows: Rows with schema ROWS.
        threshold: Smallest Jaccard similarity of two prompts of one family.

    Returns:
        The rows with `family` filled; rows that had one keep it.
    """
    nobody = np.full(rows.height, NEITHER, np.int8)
    known = Known(np.arange(rows.height), nobody, *descent(rows))
    found = families(cut(*of_rows(rows["messages"], "prompt")), threshold, known)
    return rows.with_columns(family=pl.coalesce("family", _named(rows, found)["family"]))


def descent(rows: pl.DataFrame, first: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of children and of their parents: noise may have made a child unlike its parent.

    The children of a row that is not here are joined by the first of them.

    Args:
        rows: Rows with schema ROWS.
        first: The first row whose parents are looked for.
    """
    numbered = rows.select("id", "parents", at=pl.int_range(pl.len(), dtype=pl.Int64))
    children = numbered[first:].filter(pl.col("parents").list.len() > 0)
    edges = children.select("parents", child="at").explode("parents")
    found = edges.join(
        numbered.select("id", "at").unique("id", keep="first"), left_on="parents", right_on="id", how="left"
    )
    parent = pl.coalesce("at", pl.col("child").min().over("parents"))
    return found["child"].to_numpy(), found.select(parent).to_series().to_numpy()


def assign_splits(rows: pl.DataFrame, ratios: Mapping[str, float]) -> pl.DataFrame:
    """Rows with a column `split`; see `split_of`."""
    splits = {family: split_of(family, ratios) for family in rows["family"].unique()}
    return rows.with_columns(pl.col("family").replace_strict(splits, return_dtype=pl.String).alias("split"))
