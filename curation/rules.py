"""The rules that a row can break: one entry a rule, with its code, level, reason and fix."""

from __future__ import annotations

from typing import Literal, NamedTuple

import polars as pl

Level = Literal["error", "warning"]

MAX_CHARACTERS = 64_000
"""Rows longer than this are taken to exceed 16,000 tokens at 4 characters a token."""


class Rule(NamedTuple):
    """A rule on rows; `broken` is true where a row of `curation.validate.features` breaks it."""

    code: str
    level: Level
    title: str
    fix: str
    broken: pl.Expr


PROMPT, ANSWER = pl.col("prompt"), pl.col("answer")
LENGTH = ANSWER.str.len_chars()
HAS_ANSWER = ANSWER.str.strip_chars() != ""

VAGUE = r"(?i)^\W*(i don'?t know|not sure|idk|n/?a|none|null|todo|tbd|see above|it depends)\W*$"
REFUSAL = (
    r"(?i)\b(i'?m sorry,? (but )?i|i (can'?t|cannot|am unable to|won'?t) (help|assist|comply|do that|answer)"
    r"|as an ai( language)? model|i must decline)"
)
CUT = r"[,;:(\[{\-\u2013\u2014]\s*$|\b(and|or|the|of|to|with|because)\s*$"
MOJIBAKE = r"â€|Ã[\u0080-\u00bf©¨ª«¼¶¤]|Â[\u00a0-\u00bf]|ï»¿|\ufffd"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"

RULES: tuple[Rule, ...] = (
    Rule(
        "R101", "error", "empty prompt", "write the prompt, or remove the row", PROMPT.str.strip_chars() == ""
    ),
    Rule(
        "R102",
        "error",
        "empty answer",
        "write the answer, or remove the row",
        (pl.col("last_role") == "assistant") & ~HAS_ANSWER & ~pl.col("calls_tool"),
    ),
    Rule(
        "R103",
        "error",
        "no answer: the last turn is not the assistant's",
        "add the answer, or use the file as prompts",
        pl.col("last_role") != "assistant",
    ),
    Rule(
        "R104",
        "error",
        "turns out of order",
        "alternate user and assistant; a system message comes first",
        pl.col("disorder"),
    ),
    Rule(
        "R201",
        "warning",
        "longer than 16,000 tokens (estimated)",
        "split the row",
        PROMPT.str.len_chars() + LENGTH > MAX_CHARACTERS,
    ),
    Rule("R301", "warning", "vague answer", "answer the question", ANSWER.str.contains(VAGUE)),
    Rule(
        "R302",
        "warning",
        "answer ends in mid-sentence or inside a label",
        "complete the answer",
        ((LENGTH >= 20) & ANSWER.str.contains(CUT)) | pl.col("cut_label"),
    ),
    Rule(
        "R303",
        "warning",
        "answer repeats the prompt",
        "replace the answer",
        (LENGTH >= 12) & PROMPT.str.to_lowercase().str.strip_chars().str.ends_with(pl.col("answer_folded")),
    ),
    Rule(
        "R304",
        "warning",
        "refusal or boilerplate",
        "answer, or keep it only where refusing is the task",
        ANSWER.str.contains(REFUSAL),
    ),
    Rule(
        "R305",
        "warning",
        "format differs from the file's own majority",
        "use the label that the other rows of this task use",
        pl.col("odd_format"),
    ),
    Rule(
        "R401",
        "warning",
        "mojibake: text decoded with the wrong character set",
        "read the source as UTF-8 again",
        PROMPT.str.contains(MOJIBAKE) | ANSWER.str.contains(MOJIBAKE),
    ),
    Rule(
        "R402",
        "error",
        "control characters",
        "remove them",
        PROMPT.str.contains(CONTROL) | ANSWER.str.contains(CONTROL),
    ),
    Rule(
        "R403",
        "warning",
        "unbalanced code fence",
        "close the fence",
        ANSWER.str.count_matches("(?m)^```") % 2 == 1,
    ),
)
