"""Validation: which row breaks which rule, and whether the file can be trained on."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.rows import answer_text, prompt_text
from curation.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence

FINDINGS = pl.Schema(
    {"code": pl.String, "level": pl.String, "row_id": pl.String, "source": pl.String}
    | {"line": pl.Int64, "message": pl.String, "fix": pl.String}
)
"""A broken rule: its code and level, the row and where it stands, what is wrong and what to do."""

MIN_ROWS, FEW_ROWS = 10, 100
LABEL_SHARE, MAJORITY, SMALL_GROUP = 0.05, 0.8, 20


def validate(rows: pl.DataFrame, *, answers: bool = True) -> pl.DataFrame:
    """Check rows against every rule of `curation.rules`.

    Args:
        rows: Rows with schema ROWS.
        answers: Whether the rows are to be learned from; prompts are not asked for an answer.

    Returns:
        Findings with schema FINDINGS, in the order of the rows, those on the whole file first.
    """
    table = features(rows)
    rules = RULES if answers else [rule for rule in RULES if rule.code in {"R101", "R201", "R401", "R402"}]
    parts = [
        table.filter(rule.broken).select(
            pl.lit(rule.code).alias("code"),
            pl.lit(rule.level).alias("level"),
            pl.col("id").alias("row_id"),
            "source",
            "line",
            pl.lit(rule.title).alias("message"),
            pl.lit(rule.fix).alias("fix"),
        )
        for rule in rules
    ]
    of_rows = pl.concat(parts).sort("source", "line", "code", maintain_order=True)
    return pl.concat([_size(rows.height), of_rows])


def _size(count: int) -> pl.DataFrame:
    entry: dict[str, Any] = {"row_id": None, "source": None, "line": None, "fix": "add rows"}
    found = []
    if count < MIN_ROWS:
        found = [
            entry | {"code": "S001", "level": "error", "message": f"{count} rows; at least {MIN_ROWS} needed"}
        ]
    elif count < FEW_ROWS:
        found = [
            entry
            | {"code": "S002", "level": "warning", "message": f"{count} rows; {FEW_ROWS} or more advised"}
        ]
    return pl.DataFrame(found, schema=FINDINGS, orient="row")


def features(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns that rules look at, one line a row.

    Args:
        rows: Rows with schema ROWS.

    Returns:
        A frame with id, source, line, prompt, answer, answer_folded, last_role, calls_tool,
        disorder, labelled, odd_format and cut_label.
    """
    lists = rows["messages"].to_list()
    roles = [[m["role"] for m in messages] for messages in lists]
    table = rows.select("id", "source", "line", task=pl.col("tags").list.first().fill_null("")).with_columns(
        pl.Series("prompt", [prompt_text(m) for m in lists], pl.String),
        pl.Series("answer", [answer_text(m) for m in lists], pl.String),
        pl.Series("last_role", [r[-1] for r in roles], pl.String),
        pl.Series("calls_tool", ["tool_calls" in (m[-1]["extra"] or "") for m in lists], pl.Boolean),
        pl.Series("disorder", [_disorder(r) for r in roles], pl.Boolean),
    )
    folded = pl.col("answer").str.to_lowercase().str.strip_chars()
    table = table.with_columns(folded.alias("answer_folded"), *_labels())
    return table.with_columns(_cut_label(table).alias("cut_label"))


def _disorder(roles: Sequence[str]) -> bool:
    if "system" in roles[1:]:
        return True
    talk = [role for role in roles if role in {"user", "assistant"}]
    tools = "tool" in roles
    return talk[:1] != ["user"] or (not tools and any(a == b for a, b in itertools.pairwise(talk)))


def _labels() -> tuple[pl.Expr, pl.Expr]:
    """Whether a row's task is a labelling task, and whether its answer begins with none of the labels.

    A task is the rows that share their first tag. Its labels are the first lines that at least 5%
    of its rows have; it is a labelling task when 80% or more of its rows begin with one of them.
    """
    label = pl.col("answer").str.split("\n").list.first().str.strip_chars()
    size = pl.len().over("task")
    common = pl.len().over("task", label) >= LABEL_SHARE * size
    labelled = (common.cast(pl.Float64).mean().over("task") >= MAJORITY) & (size >= SMALL_GROUP)
    return labelled.alias("labelled"), (labelled & ~common).alias("odd_format")


def _cut_label(table: pl.DataFrame) -> pl.Series:
    """True where a labelling task's answer breaks off inside a word of an answer that 5% of its rows have."""
    keys = list(zip(table["task"], table["answer"], strict=True))
    counts, sizes = Counter(keys), Counter(task for task, _ in keys)
    common = {key for key, count in counts.items() if count >= LABEL_SHARE * sizes[key[0]]}
    cuts = {
        (task, answer[:i])
        for task, answer in common
        for i in range(1, len(answer))
        if answer[i - 1].isalnum() and answer[i].isalnum()
    }
    cut = [key in cuts and key not in common for key in keys]
    return pl.Series("cut_label", cut, pl.Boolean) & table["labelled"]
