"""The columns that rules look at: one table with a line a row, one with a line a turn."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

INITIALS = {"system": "s", "user": "u", "assistant": "a", "tool": "t"}
LABEL_SHARE, MAJORITY, SMALL_GROUP, LONGEST_LABEL = 0.05, 0.8, 20, 80
MANY, SMALLEST_SHARE = 10, 0.01


class Table(NamedTuple):
    """Rows as rules see them.

    Attributes:
        rows: One line a row: row (its number), source, line, task (its first tag), order (the initials of
            its roles, ? for an unknown one), answer (empty where the last turn is not the assistant's), asked
            (the turn before it), calls_tool, and label, common and labelled (see `with_labels`).
        turns: One line a turn: row, role, content, place (from 0), and whether it belongs to the prompt.
    """

    rows: pl.DataFrame
    turns: pl.DataFrame


def tabulate(rows: pl.DataFrame) -> Table:
    """Both tables of rows with schema ROWS."""
    last = pl.col("messages").list.last().struct
    before = pl.col("messages").list.get(-2, null_on_oob=True).struct
    role = pl.element().struct.field("role").replace_strict(INITIALS, default="?")
    answered = last.field("role") == "assistant"
    table = rows.with_row_index("row").select(
        "row",
        "source",
        "line",
        task=pl.col("tags").list.first().fill_null(""),
        order=pl.col("messages").list.eval(role).list.join(""),
        answer=pl.when(answered).then(last.field("content")).fill_null(""),
        asked=pl.when(answered).then(before.field("content")).otherwise(last.field("content")).fill_null(""),
        calls_tool=last.field("extra").str.contains("tool_calls", literal=True).fill_null(value=False),
    )
    return Table(with_labels(table), _turns(rows))


def _turns(rows: pl.DataFrame) -> pl.DataFrame:
    size = pl.col("messages").list.len()
    lists = rows.with_row_index("row").select("row", "messages", first=size.cum_sum() - size, size=size)
    turns = lists.explode("messages").unnest("messages")
    place = pl.int_range(pl.len(), dtype=pl.UInt32) - pl.col("first")
    answer = (pl.col("role") == "assistant") & (place + 1 == pl.col("size"))
    return turns.select(
        "row",
        "role",
        pl.col("content").fill_null(""),
        place=place,
        prompt=(pl.col("role") != "system") & ~answer,
    )


def with_labels(table: pl.DataFrame) -> pl.DataFrame:
    """Add what tells labelling tasks from free text; a task is the rows that share their first tag.

    `label` is the first line of the answer, null where it is empty or too long to be one. It is `common` when
    5% of the task's rows have it, or ten rows and 1%. A task of 20 rows or more is `labelled` when 80% of
    them have a common label.
    """
    head = pl.col("answer").str.head(LONGEST_LABEL + 1).str.splitn("\n", 2).struct.field("field_0")
    label = pl.when(head.str.len_chars().is_between(1, LONGEST_LABEL)).then(head.str.strip_chars())
    table = table.with_columns(label=label)
    size, count = pl.len().over("task"), pl.len().over("task", "label")
    common = (count >= pl.max_horizontal(2, LABEL_SHARE * size)) | (
        count >= pl.max_horizontal(MANY, SMALLEST_SHARE * size)
    )
    table = table.with_columns(common=common & pl.col("label").is_not_null())
    share = pl.col("common").cast(pl.Float64).mean().over("task")
    return table.with_columns(labelled=(share >= MAJORITY) & (size >= SMALL_GROUP))
