"""Rules on equal prompts (R5): one prompt with two answers, and one prompt in two files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.rules.rule import ALL, ANSWERED, Rule, Settings, ask

if TYPE_CHECKING:
    from curation.rules.table import Table


def keyed(table: Table) -> pl.DataFrame:
    """Rows whose prompt other rows have too, with a `key` that is equal for equal prompts.

    Prompts are compared by 64-bit hashes of their turns, the system message and the order included.
    """
    turn = pl.struct("role", "content").hash()
    answer = ~pl.col("prompt") & (pl.col("role") == "assistant")
    keys = (
        table.turns.filter(~answer)
        .select("row", key=turn * (2 * pl.col("place").cast(pl.UInt64) + 1))
        .group_by("row", maintain_order=True)
        .agg(pl.col("key").sum())
        .filter(pl.col("key").is_duplicated())
    )
    places = table.rows.select("row", "source", "line", "answer", "calls_tool")
    return keys.join(places, on="row", maintain_order="left")


def _conflict(table: Table, _: Settings) -> pl.DataFrame:
    """Answers that differ at all are compared again without letter case and outer white space."""
    answered = keyed(table).filter(pl.col("answer") != "", ~pl.col("calls_tool"))
    differing = answered.filter(pl.col("answer") != pl.col("answer").first().over("key")).select("key")
    rows = answered.join(differing.unique(), on="key", how="semi", maintain_order="left")
    rows = rows.with_columns(said=pl.col("answer").str.strip_chars().str.to_lowercase())
    first = [pl.col(name).first().over("key").alias(f"first_{name}") for name in ("said", "source", "line")]
    rows = rows.filter(pl.col("said") != "").with_columns(*first)
    return rows.filter(pl.col("said") != pl.col("first_said")).select(
        "row", detail=_place("answered otherwise at")
    )


def _leak(table: Table, _: Settings) -> pl.DataFrame:
    first = [pl.col(name).first().over("key").alias(f"first_{name}") for name in ("source", "line")]
    rows = keyed(table).with_columns(*first).filter(pl.col("source") != pl.col("first_source"))
    return rows.select("row", detail=_place("also at"))


def _place(words: str) -> pl.Expr:
    return pl.format(words + " {}:{}", "first_source", pl.col("first_line").fill_null(0))


PROMPTS: tuple[Rule, ...] = (
    Rule(
        "R501",
        "warning",
        ANSWERED,
        title="conflicting answers to one prompt",
        catches="Exactly the prompt of a row before it, and another answer (letter case does not count).",
        why="The model learns both and says either; in an evaluation set one of the two is wrong.",
        fix="keep the right one; ignore the rule where several answers are meant",
        example=ask("What is the capital of Australia?", "Sydney"),
        find=_conflict,
        around=(ask("What is the capital of Australia?", "Canberra"),),
    ),
    Rule(
        "R502",
        "warning",
        ALL,
        title="prompt stands in another file too",
        catches="Exactly the same prompt in two files that are checked together.",
        why="Where one is for training and the other for measuring, the measure is of memory.",
        fix="remove it from one of the files; `regrind` keeps held-out rows out of training by itself",
        example=ask("What is the capital of France?", "Paris."),
        find=_leak,
        around=(ask("What is the capital of France?", "Paris."),),
        across=True,
    ),
)
