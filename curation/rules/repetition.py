"""Answers that run in a loop: what a model writes when it degenerates."""

from __future__ import annotations

import polars as pl

from curation.rules.rule import where

ANSWER, WORD, GRAM = pl.col("answer"), pl.col("word"), pl.col("gram")
SHORTEST, PROBE, TIMES = 80, 16, 3
WORDS, FEWEST, LOOPED = 3, 20, 0.5
_WORD = r"[\u3040-\u30ff\u4e00-\u9fff]|\w+"


def loops(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in whose answer more than half of the runs of three words stand already.

    Only answers that hold their last 16 characters, or the 16 in their middle, three times are cut up:
    a loop over more than half of an answer touches one of these places, and most answers are spared.

    Args:
        rows: Columns `row` and `answer`.

    Returns:
        Columns `row` and `detail`.
    """
    middle = ANSWER.str.slice(ANSWER.str.len_chars() // 2, PROBE)
    often = [ANSWER.str.count_matches(p, literal=True) >= TIMES for p in (ANSWER.str.tail(PROBE), middle)]
    suspects = where(rows, ANSWER.str.len_bytes() >= SHORTEST, pl.any_horizontal(often))
    answers = rows.select("row", "answer").join(suspects, on="row", maintain_order="left")
    words = answers.select("row", word=ANSWER.str.to_lowercase().str.extract_all(_WORD)).explode("word")
    run = pl.concat_str([WORD.shift(-i).over("row") for i in range(WORDS)], separator=" ")
    grams = words.select("row", gram=run).drop_nulls().group_by("row", maintain_order=True)
    shares = grams.agg(share=1 - GRAM.n_unique() / pl.len(), runs=pl.len())
    found = shares.filter((pl.col("share") > LOOPED) & (pl.col("runs") >= FEWEST))
    percent = (100 * pl.col("share")).round().cast(pl.Int64)
    return found.select(
        "row", detail=pl.format("{}% of its runs of three words stand in it already", percent)
    )
