"""Splits by near-duplicate family: hashed, so that a row never changes split as data grows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from curation.near import families
from curation.rows import prompt_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")


def assign_families(rows: pl.DataFrame, *, threshold: float = 0.8) -> pl.DataFrame:
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
    texts = [prompt_text(m) for m in rows["messages"].to_list()]
    labels = pl.Series("label", families(texts, threshold, _descent(rows)), pl.Int64)
    origin = pl.coalesce(pl.col("parents").list.min(), "id")
    name = pl.coalesce(pl.col("family").min(), origin.min()).over("label")
    return (
        rows.with_columns(labels)
        .with_columns(pl.coalesce("family", name).alias("family"))
        .select(rows.columns)
    )


def _descent(rows: pl.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row numbers of children and of their parents: noise may have made a child unlike its parent."""
    numbers = {identity: i for i, identity in enumerate(rows["id"])}
    # The children of a row that is not here are joined by the first of them.
    edges = [(i, numbers.setdefault(p, i)) for i, of in enumerate(rows["parents"].to_list()) for p in of]
    return np.array([c for c, _ in edges], np.int64), np.array([p for _, p in edges], np.int64)


def split_of(family: str, ratios: Mapping[str, float]) -> str:
    """The split of a family.

    Args:
        family: The family's name.
        ratios: Share of each split, in the order of `SPLITS`; together 1.
    """
    place = int.from_bytes(hashlib.sha256(f"split:{family}".encode()).digest()[:8], "big") / 2**64
    edge = 0.0
    for name in SPLITS:
        edge += ratios.get(name, 0.0)
        if place < edge:
            return name
    return next(name for name in reversed(SPLITS) if ratios.get(name))


def assign_splits(rows: pl.DataFrame, ratios: Mapping[str, float]) -> pl.DataFrame:
    """Rows with a column `split`; see `split_of`."""
    splits = {family: split_of(family, ratios) for family in rows["family"].unique()}
    return rows.with_columns(pl.col("family").replace_strict(splits, return_dtype=pl.String).alias("split"))
