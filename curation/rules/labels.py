"""What labelling tasks and JSON tasks tell about their odd rows."""

from __future__ import annotations

import polars as pl

from curation.rules.rule import of_file, where
from curation.rules.table import LABEL_SHARE, SMALL_GROUP

ANSWER = pl.col("answer")
JSON_SHARE, IMBALANCE = 0.9, 10


def cut_labels(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of labelling tasks whose answer breaks off inside a word of an answer that 5% of the task have."""
    size, count = pl.len().over("task"), pl.len().over("task", "answer")
    tasks = rows.filter("labelled").select("row", "task", "answer", common=count >= LABEL_SHARE * size)
    whole = tasks.filter("common").select("task", whole=ANSWER).unique(maintain_order=True)
    odd = tasks.filter(~pl.col("common"), ANSWER != "")
    pairs = odd.join(whole, on="task", maintain_order="left")
    rest = pl.col("whole").str.slice(ANSWER.str.len_chars())
    inside = ANSWER.str.contains(r"[\p{L}\p{N}]$") & rest.str.contains(r"^[\p{L}\p{N}]")
    return where(pairs, pl.col("whole").str.starts_with(ANSWER), inside)


def odd_forms(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows whose first line is no common label of their labelling task, or that are no JSON among JSON."""
    is_json = ANSWER.str.contains(r"^\s*[\[{]")
    among = (is_json.cast(pl.Float64).mean().over("task") >= JSON_SHARE) & (
        pl.len().over("task") >= SMALL_GROUP
    )
    odd = (pl.col("labelled") & ~pl.col("common")) | (among & ~is_json)
    return where(rows, odd & ANSWER.str.contains(r"\S"))


def imbalance(rows: pl.DataFrame) -> pl.DataFrame:
    """One finding for each labelling task whose commonest label has ten times the rows of its rarest."""
    counts = rows.filter("labelled", "common").group_by("task", "label").agg(n=pl.len())
    counts = counts.sort("task", "n", "label", descending=[False, True, False])
    ends = counts.group_by("task", maintain_order=True).agg(
        pl.col("label").first(), pl.col("n").first(), rare=pl.col("label").last(), few=pl.col("n").last()
    )
    return of_file(
        *(
            f"{task or 'all rows'}: {n} rows with {label!r}, {few} with {rare!r}"
            for task, label, n, rare, few in ends.filter(pl.col("n") >= IMBALANCE * pl.col("few")).iter_rows()
        )
    )
