"""What selection reads of rows: the text that is compared, what a row costs, and what it is worth."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.errors import UserError
from curation.rows import SHAPED_FROM

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from curation.selection.settings import Texts

BYTES_PER_TOKEN = 4


def compared(rows: pl.DataFrame, on: Texts) -> pl.Series:
    """The text of each row that is compared (rows,): its turns without the system message.

    The answer, which is the assistant's turn at the end, counts for `all` only. A prompt that was put into a
    template is compared as it was before.
    """
    size = pl.col("messages").list.len()
    last = pl.col("messages").list.last().struct.field("role") == "assistant"
    wanted = size if on == "all" else size - last.fill_null(value=False).cast(pl.UInt32)
    turns = pl.element().struct
    shown = turns.field("content").filter(turns.field("role") != "system").fill_null("")
    text = pl.col("messages").list.head(wanted).list.eval(shown).list.join("\n").fill_null("")
    before = pl.col("meta").str.json_path_match(f"$.{SHAPED_FROM}")
    return rows.select(text=text if on == "all" else pl.coalesce(before, text))["text"]


def estimated_tokens(rows: pl.DataFrame) -> NDArray[np.int64]:
    """Tokens of each row (rows,), four bytes of its turns each, rounded up."""
    size = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_bytes()).list.sum()
    return (
        rows.select(((size.fill_null(0) + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN).cast(pl.Int64))
        .to_series()
        .to_numpy()
    )


def quality(rows: pl.DataFrame, field: str) -> NDArray[np.float64]:
    """The number in a field of each row (rows,).

    Args:
        rows: Rows with schema ROWS.
        field: Its name; `a.b` is `b` inside `a`.

    Raises:
        UserError: A row has none, or a negative one.
    """
    found = [_inside(json.loads(meta), field) for meta in rows["meta"]]
    values = pl.Series(found, dtype=pl.Float64, strict=False)
    bad = (values.is_null() | ~values.is_finite() | (values < 0)).fill_null(value=True)
    if bad.any():
        row = rows.row(int(bad.arg_max() or 0), named=True)
        fix = "give every row a number of at least 0 there, such as a judge's score, or leave the quality out"
        where = f"{row['source']}:{row['line']}: {field}"
        raise UserError("this row has no number to weigh it by", where=where, fix=fix)
    return values.to_numpy()


def _inside(meta: dict[str, Any], field: str) -> float | None:
    """The number in a field; where none has the whole name, its dots lead inside."""
    value: Any = meta
    for name in [field] if field in meta else field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
