"""What of a conversation is compared with a held-out item: its prompt, as text and as turns, and its text."""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

import polars as pl

from curation.redact import redact_texts


class Compared(NamedTuple):
    """Texts of conversations, with placeholders for personal data, so that redaction hides nothing.

    Attributes:
        prompts: The turns of the prompt without the system message, one to a line (conversations,).
        turns: The same turns with their roles, without case, width and white space (conversations,).
        whole: All turns, whoever speaks (conversations,).
    """

    prompts: pl.Series
    turns: pl.Series
    whole: pl.Series


def compared(messages: pl.Series) -> Compared:
    """Prepare the column `messages` of rows, all at once."""
    table = pl.DataFrame({"turn": messages}).with_row_index("row").explode("turn")
    table = table.filter(pl.col("turn").is_not_null()).unnest("turn")
    content = redact_texts(table["content"].fill_null(""))
    answer = (pl.col("row") != pl.col("row").shift(-1)).fill_null(value=True) & (
        pl.col("role") == "assistant"
    )
    table = table.with_columns(content)
    asked = table.filter(~answer & (pl.col("role") != "system"))
    folded = pl.Series("content", [_folded(text) for text in asked["content"]], dtype=pl.String)
    turns = asked.with_columns(content=pl.concat_str("role", folded, separator="\x1f"))
    height = len(messages)
    return Compared(_joined(asked, "\n", height), _joined(turns, "\x1e", height), _joined(table, " ", height))


def _joined(turns: pl.DataFrame, between: str, height: int) -> pl.Series:
    """The turns of each conversation as one text (height,)."""
    texts = turns.group_by("row", maintain_order=True).agg(pl.col("content").str.join(between))
    rows = pl.DataFrame({"row": pl.Series(range(height), dtype=turns.schema["row"])})
    return rows.join(texts, on="row", how="left", maintain_order="left")["content"].fill_null("")


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()
