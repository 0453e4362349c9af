"""Rules on length (R2): rows that are longer than what is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.rules.rule import ALL, Rule, Settings, ask

if TYPE_CHECKING:
    from curation.rules.table import Table

BYTES_PER_TOKEN = 4
MAX_TOKENS = 16_000


def _many_tokens(table: Table, settings: Settings) -> pl.DataFrame:
    """Bytes, not characters: a letter of a script that tokenizers know less takes more of both."""
    limit = settings.max_tokens or MAX_TOKENS
    tokens = (pl.col("content").str.len_bytes().sum() + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN
    return _over(table, tokens, limit, "tokens")


def _many_characters(table: Table, settings: Settings) -> pl.DataFrame:
    return _over(table, pl.col("content").str.len_chars().sum(), settings.max_characters, "characters")


def _over(table: Table, measure: pl.Expr, limit: int, unit: str) -> pl.DataFrame:
    sums = table.turns.group_by("row", maintain_order=True).agg(size=measure)
    said = pl.format("{} " + unit + ", limit {}", "size", pl.lit(limit))
    return sums.filter(pl.col("size") > limit).select("row", detail=said)


LENGTHS: tuple[Rule, ...] = (
    Rule(
        "R201",
        "warning",
        ALL,
        title="too long in tokens (estimated)",
        catches="More than `max_tokens` at 4 bytes of UTF-8 a token, all turns together. In a workspace the"
        " limit is the training's `max_length`, elsewhere 16,000.",
        why="Training leaves longer rows out, so what they should teach is not learnt.",
        fix="split the row, or raise max_length under [train]",
        example=ask("Sum up this report: " + "growth was slow " * 4200, "Growth was slow."),
        find=_many_tokens,
    ),
    Rule(
        "R202",
        "warning",
        ALL,
        title="too long in characters",
        catches="More than `max_characters` (100,000), all turns together.",
        why="A row of that length is a whole document: mostly pasted by mistake, and slow in every step.",
        fix="split the row",
        example=ask("Sum up this report: " + "growth was slow " * 6300, "Growth was slow."),
        find=_many_characters,
    ),
)
