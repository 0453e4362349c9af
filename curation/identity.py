"""The id of a snapshot: a hash of what it says, whatever wrote the files, and however they lie on disk."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.manifest import FORMAT
from curation.rows import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

SAID = ("tags", "parents", "meta")
"""What a row says beside its messages: everything that training or an export may use."""

IDENTITY = ("id", "split", "family", *SAID)
"""What a row is to a snapshot; its id is the hash of its messages. Where it was read is told, and no part."""


def content_id(rows: pl.DataFrame, gone: Sequence[str], recipe: dict[str, Any], parent: str | None) -> str:
    """The id of a snapshot.

    One that grew is its parent, the rows that are new, and the ids of those that went: the parent's id stands
    for the rest. The id of a row and those of its lists are text, so the hash needs no library's own form.

    Args:
        rows: The rows, or the new ones, with a column `split`.
        gone: Ids of the parent's rows that went.
        recipe: The recipe.
        parent: The parent's id.
    """
    encode = msgspec.json.Encoder(order="sorted").encode
    digest = hashlib.sha256(encode([FORMAT, parent, recipe, sorted(gone)]))
    for row in sorted(_canonical(rows.select(IDENTITY)).rows()):
        digest.update(encode(row))
    return digest.hexdigest()[:16]


def sayings(rows: pl.DataFrame) -> pl.DataFrame:
    """What is said of each id beside its messages (`id`, `says`): a line of JSON for each row that has it.

    Args:
        rows: Rows with `id` and the columns of `SAID`.
    """
    says = pl.struct(*SAID).struct.json_encode()
    told = _canonical(rows.select("id", *SAID)).select("id", says=says)
    return told.group_by("id").agg(pl.col("says").sort()).with_columns(pl.col("says").list.join("\n"))


def said_otherwise(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """What was and is said of ids that both have, where that differs (`id`, `says`, `says_new`), by id."""
    both = sayings(old).join(sayings(new), on="id", suffix="_new")
    return both.filter(pl.col("says") != pl.col("says_new")).sort("id")


def _canonical(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose other fields are written in one way, whoever wrote them."""
    texts = [t if t == "{}" else canonical(json.loads(t or "{}")) for t in rows["meta"].to_list()]
    return rows.with_columns(meta=pl.Series(texts, dtype=pl.String))
