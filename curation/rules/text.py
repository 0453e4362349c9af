"""Rules on characters (R4): text that was decoded, exported or marked up wrongly, or in another language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.rules.language import other_language
from curation.rules.rule import ALL, ANSWERED, Rule, Settings, ask, where

if TYPE_CHECKING:
    from curation.rules.table import Table

CONTENT, ANSWER = pl.col("content"), pl.col("answer")
NOT_ASCII = CONTENT.str.len_bytes() != CONTENT.str.len_chars()
MOJIBAKE = r"â€|Ã[\u0080-\u00bf©¨ª«¼¶¤]|Â[\u00a0-\u00bf]|ï»¿|\ufffd"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"


def _mojibake(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.turns, NOT_ASCII, CONTENT.str.contains(MOJIBAKE))


def _control(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.turns, CONTENT.str.contains(CONTROL))


def _open_fence(table: Table, _: Settings) -> pl.DataFrame:
    fences = ANSWER.str.count_matches("(?m)^```")
    return where(table.rows, ANSWER.str.contains("```", literal=True), fences % 2 == 1)


def _language(table: Table, _: Settings) -> pl.DataFrame:
    return other_language(
        table.rows.select("row", text=pl.when(ANSWER != "").then("answer").otherwise("asked"))
    )


TEXT: tuple[Rule, ...] = (
    Rule(
        "R401",
        "warning",
        ALL,
        title="mojibake: text decoded with the wrong character set",
        catches="What UTF-8 looks like when read as Latin-1 or Windows-1252, and the replacement character.",
        why="The model learns to write the garbage, and its tokens are wasted on it.",
        fix="read the source as UTF-8 again",
        example=ask("Itâ€™s raining. What should I wear?", "A raincoat."),
        find=_mojibake,
    ),
    Rule(
        "R402",
        "error",
        ALL,
        title="control characters",
        catches="ASCII control characters other than tab, line feed and carriage return.",
        why="They are invisible, break terminals and parsers, and mark a damaged export.",
        fix="remove them",
        example=ask("What is the capital\x07 of France?", "Paris."),
        find=_control,
    ),
    Rule(
        "R403",
        "warning",
        ANSWERED,
        title="unbalanced code fence",
        catches="An odd number of lines in the answer that begin with three backticks.",
        why="Everything after it is shown as code; often the answer was cut off.",
        fix="close the fence",
        example=ask("Set x to 1 in Python.", "```python\nx = 1"),
        find=_open_fence,
    ),
    Rule(
        "R404",
        "info",
        ALL,
        title="language differs from the file's majority",
        catches="Where 80% of the rows are in one language or script, an answer (or prompt, without one) of"
        " 40 characters or more that is clearly in another. It goes by script and by frequent words.",
        why="A few stray rows teach the model to switch its language.",
        fix="translate or remove the row; ignore the rule where translation is the task",
        example=ask(
            "How do fish breathe?",
            "Die Fische atmen mit den Kiemen, und das Wasser ist für sie nicht zu kalt.",
        ),
        find=_language,
        around=tuple(
            ask(f"Question {i}?", f"This is the answer that you have to give to question {i}.")
            for i in range(40)
        ),
    ),
)
