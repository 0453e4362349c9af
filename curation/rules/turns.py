"""Rules on turns (R1): who speaks, in which order, and whether anything is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.rules.rule import ALL, ANSWERED, Rule, Settings, ask, where

if TYPE_CHECKING:
    from curation.rules.table import Table

ORDER = pl.col("order")
SAID = r"\S"


def _empty_prompt(table: Table, _: Settings) -> pl.DataFrame:
    spoken = where(table.turns, pl.col("prompt"), pl.col("content").str.contains(SAID))
    return table.rows.select("row").join(spoken, on="row", how="anti", maintain_order="left")


def _empty_answer(table: Table, _: Settings) -> pl.DataFrame:
    blank = ~pl.col("answer").str.contains(SAID)
    return where(table.rows, ORDER.str.ends_with("a") & ~pl.col("calls_tool"), blank)


def _no_answer(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.rows, ~ORDER.str.ends_with("a"))


def _disorder(table: Table, _: Settings) -> pl.DataFrame:
    """With tools the assistant may speak twice: it calls one, and then answers."""
    talk = pl.when(ORDER.str.contains("t", literal=True)).then(ORDER.str.contains("^s?t*u[uat?]*$"))
    return where(
        table.rows, ~talk.otherwise(ORDER.str.replace_all("?", "", literal=True).str.contains("^s?(ua)*u?$"))
    )


def _one_sided(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.rows, ORDER.str.contains("^[^u]*a[^u]*$|^[^a]*u[^a]*u[^a]*$"))


def _unknown_role(table: Table, _: Settings) -> pl.DataFrame:
    return where(table.rows, ORDER.str.contains("?", literal=True))


TURNS: tuple[Rule, ...] = (
    Rule(
        "R101",
        "error",
        ALL,
        title="empty prompt",
        catches="No turn before the answer says anything; a system message does not count.",
        why="The model learns to answer nothing in particular.",
        fix="write the prompt, or remove the row",
        example=ask(" ", "Paris."),
        find=_empty_prompt,
    ),
    Rule(
        "R102",
        "error",
        ANSWERED,
        title="empty answer",
        catches="The assistant's last turn is blank and calls no tool.",
        why="The model learns to say nothing: one of the hardest habits to find later.",
        fix="write the answer, or remove the row",
        example=ask("What is the capital of France?", ""),
        find=_empty_answer,
    ),
    Rule(
        "R103",
        "error",
        ANSWERED,
        title="no answer: the last turn is not the assistant's",
        catches="A chat that ends with the user or with a tool.",
        why="Training learns from the answer; here there is none.",
        fix="add the answer, or use the file as prompts",
        example=(("user", "What is the capital of France?"),),
        find=_no_answer,
    ),
    Rule(
        "R104",
        "error",
        ALL,
        title="turns out of order",
        catches="A system message that is not first, an assistant that begins, or one party twice in a row;"
        " where tools are called, the assistant may speak twice.",
        why="Chat templates refuse such a chat, or render it as another one.",
        fix="alternate user and assistant; a system message comes first",
        example=(("user", "What is the capital"), ("user", "of France?"), ("assistant", "Paris.")),
        find=_disorder,
    ),
    Rule(
        "R105",
        "error",
        ANSWERED,
        title="one-sided: only one party speaks",
        catches="The assistant speaks without any user, or the user speaks twice without any assistant.",
        why="Half of the conversation is lost, often by a wrong export.",
        fix="export both sides, or remove the row",
        example=(("system", "Be brief."), ("assistant", "Paris.")),
        find=_one_sided,
    ),
    Rule(
        "R106",
        "error",
        ALL,
        title="unknown role",
        catches="A role that is not system, user, assistant or tool. Files cannot hold one, frames can.",
        why="A chat template has no place for it and drops the turn or fails.",
        fix="rename the role",
        example=(
            ("user", "What is the capital of France?"),
            ("narrator", "A pause."),
            ("assistant", "Paris."),
        ),
        find=_unknown_role,
    ),
)
