"""The id of a snapshot: a hash of what it says, whatever wrote the files, and however they lie on disk."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from curation.manifest import FORMAT

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

IDENTITY = ("id", "split", "family", "tags", "parents")
"""What a row is to a snapshot; its id is the hash of its messages."""


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
    for row in sorted(rows.select(IDENTITY).rows()):
        digest.update(encode(row))
    return digest.hexdigest()[:16]
