"""Rules on answers (R3): vague, cut off, an echo, a refusal, in a form of their own, or in a loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.rules.labels import cut_labels, odd_forms
from curation.rules.repetition import loops
from curation.rules.rule import ANSWERED, TRAIN, Rule, Settings, ask, where

if TYPE_CHECKING:
    from curation.rules.table import Table

ANSWER = pl.col("answer")
FOLDED = ANSWER.str.strip_chars().str.to_lowercase()
ASKED = pl.col("asked").str.strip_chars().str.to_lowercase()

VAGUE = r"(?i)^\W*(i don'?t know|not sure|idk|n/?a|none|null|todo|tbd|see above|it depends)\W*$"
REFUSAL = (
    r"(?i)\b(i'?m sorry,? (but )?i|i (can'?t|cannot|am unable to|won'?t) (help|assist|comply|do that|answer)"
    r"|as an ai( language)? model|i must decline)"
)
CUT = r"[,;:(\[{\-\u2013\u2014]\s*$|\b(and|or|the|of|to|with|because)\s*$"
OPENING = 240
"""A refusal stands in so many first characters of an answer; later it may be a story's."""
ECHO, ECHO_SHARE = 12, 0.5


def _vague(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.rows, ANSWER.str.len_bytes().is_between(1, 60), ANSWER.str.contains(VAGUE))


def _cut(table: Table, _: Settings) -> pl.DataFrame:
    end = ANSWER.str.strip_chars_end().str.tail(24)
    cut = where(table.rows, ANSWER.str.len_chars() >= 20, end.str.contains(CUT))
    return pl.concat([cut, cut_labels(table.rows)]).unique(maintain_order=True)


def _echo(table: Table, _: Settings) -> pl.DataFrame:
    """A short answer may well be the prompt's last words: a label, or the last of two choices."""
    length = ANSWER.str.len_chars()
    long = (length >= ECHO) & (length >= ECHO_SHARE * pl.col("asked").str.len_chars())
    ends = [pl.col(name).str.strip_chars().str.tail(ECHO).str.to_lowercase() for name in ("answer", "asked")]
    return where(table.rows, long, ends[0] == ends[1], ASKED.str.ends_with(FOLDED))


def _refusal(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.rows, ANSWER.str.head(OPENING).str.contains(REFUSAL))


def _odd_form(table: Table, _: Settings) -> pl.DataFrame:
    return odd_forms(table.rows)


def _loop(table: Table, _: Settings) -> pl.DataFrame:
    return loops(table.rows)


ANSWERS: tuple[Rule, ...] = (
    Rule(
        "R301",
        "warning",
        TRAIN,
        title="vague answer",
        catches='The whole answer is "I don\'t know", "N/A", "none", "TODO", "it depends" or the like.',
        why="The model learns that giving up is an answer.",
        fix="answer the question",
        example=ask("How do fish breathe?", "It depends."),
        find=_vague,
    ),
    Rule(
        "R302",
        "warning",
        ANSWERED,
        title="answer ends in mid-sentence or inside a label",
        catches="An answer of 20 characters or more that ends with a comma, an opening bracket, a dash, or a"
        " word such as `and`; in a labelling task, one that breaks off inside a word of a common answer.",
        why="The model learns to stop anywhere. The usual cause is a limit on new tokens.",
        fix="complete the answer",
        example=ask("How do fish breathe?", "Fish breathe with their gills and"),
        find=_cut,
    ),
    Rule(
        "R303",
        "warning",
        ANSWERED,
        title="answer repeats the prompt",
        catches="The prompt's last turn ends with the answer, and the answer is at least half of it (12"
        " characters or more; letter case does not count). A short label from the prompt's end is fine.",
        why="The model learns to parrot. The usual cause is a swapped column.",
        fix="replace the answer; ignore the rule where copying is the task",
        example=ask("How do fish breathe?", "How do fish breathe?"),
        find=_echo,
    ),
    Rule(
        "R304",
        "warning",
        TRAIN,
        title="refusal or boilerplate",
        catches='"I\'m sorry, but I …", "I cannot help …", "As an AI language model …" in the first'
        " 240 characters.",
        why="A few refusals of harmless prompts teach a small model to refuse everything.",
        fix="answer, or keep it only where refusing is the task",
        example=ask("How do fish breathe?", "I'm sorry, but I cannot help with that."),
        find=_refusal,
    ),
    Rule(
        "R305",
        "warning",
        ANSWERED,
        title="format differs from the file's own majority",
        catches="In a labelling task (20 rows or more with one first tag, 80% with one of a few first lines)"
        " an answer whose first line is none of the common ones; where 90% of a task's answers are JSON, one"
        " that is not.",
        why="Whoever reads the answers by machine fails on the odd ones, and the model learns both forms.",
        fix="use the label that the other rows of this task use",
        example=ask("Message: Hello", "The message is safe, I think."),
        find=_odd_form,
        around=tuple(ask(f"Message {i}", ("safe", "unsafe")[i % 2]) for i in range(40)),
    ),
    Rule(
        "R306",
        "warning",
        ANSWERED,
        title="answer runs in a loop",
        catches="More than half of the answer's runs of three words (at least 20) stand in it already.",
        why="It is what a model does when it degenerates; learnt from, it does so more often.",
        fix="write the answer anew, or remove the row",
        example=ask("How do fish breathe?", "Fish breathe with their gills. " * 8),
        find=_loop,
    ),
)
