"""The fields of a row that carry a label or a preference: rows that differ in one say different things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.rows import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = frozenset(
    {"label", "labels", "class", "classes", "category", "categories", "target", "targets", "verdict"}
    | {"preference", "preferred", "winner", "chosen", "rejected", "ground_truth", "gold"}
)
"""Names of such fields in lower case; those that end in `_label` or `_labels` are such fields, too."""

INSIDE = frozenset(["meta", "metadata"])
"""Fields whose own fields count as those of the row."""


def labels(meta: pl.Series) -> pl.Series:
    """What each row's label fields say, as JSON; null where it has none, or none but null (rows,).

    Args:
        meta: The column `meta` of rows.
    """
    perhaps = meta.str.contains_any([*NAMES, "_label"], ascii_case_insensitive=True).arg_true()
    said = [_said(msgspec.json.decode(text)) for text in meta.gather(perhaps).to_list()]
    none = pl.repeat(None, len(meta), dtype=pl.String, eager=True)
    return none.scatter(perhaps, pl.Series(said, dtype=pl.String))


def _said(fields: dict[str, Any]) -> str | None:
    found = dict(_labels(fields, ""))
    return canonical(found) if found else None


def _labels(fields: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if name.lower() in INSIDE and isinstance(value, dict):
            yield from _labels(value, f"{path}{name}.")
        elif value is not None and is_label(name):
            yield path + name, value


def is_label(name: str) -> bool:
    """Whether a field of this name carries a label or a preference."""
    return name.lower() in NAMES or name.lower().endswith(("_label", "_labels"))
