"""A file in figures: whether it can be used, how long its rows are, and how many have no fault."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.intake import read_file
from curation.validate import validate

if TYPE_CHECKING:
    from pathlib import Path

    from curation.rules import Kind, Settings


class Quality(NamedTuple):
    """Findings counted.

    Attributes:
        by_code: Findings of each rule.
        by_level: Findings of each level.
        clean_share: Share of the lines, from 0 to 1, that are rows which no finding names.
    """

    by_code: dict[str, int]
    by_level: dict[str, int]
    clean_share: float


class Report(NamedTuple):
    """What `validate_file` finds.

    Attributes:
        is_valid: Whether every line is a row and no finding is an error.
        total_examples: Number of rows.
        average_prompt_length: Characters of a prompt without its system message, on average; 0 without rows.
        average_response_length: Characters of an answer, on average; 0 without rows.
        findings: Broken rules (schema FINDINGS).
        rejects: Lines that are no rows (schema REJECTS).
        quality: The findings counted.
    """

    is_valid: bool
    total_examples: int
    average_prompt_length: float
    average_response_length: float
    findings: pl.DataFrame
    rejects: pl.DataFrame
    quality: Quality


def validate_file(path: Path, kind: Kind = "train", settings: Settings | None = None) -> Report:
    """Read a file and check its rows; see `curation.validate_file`."""
    rows, rejects = read_file(path, source=str(path), ids=False)
    return report(rows, rejects, validate(rows, kind=kind, settings=settings))


def report(rows: pl.DataFrame, rejects: pl.DataFrame, findings: pl.DataFrame) -> Report:
    """The report on rows that were checked.

    Args:
        rows: Rows with schema ROWS.
        rejects: Lines that are no rows (schema REJECTS).
        findings: What the rules found on the rows.
    """
    turns = rows["messages"].explode().struct.unnest().filter(pl.col("role") != "system")
    last = rows["messages"].list.last().struct.unnest().filter(role="assistant")
    answered = _characters(last)
    asked = _characters(turns) - answered
    count = max(rows.height, 1)
    levels = dict(sorted(Counter(findings["level"]).items()))
    named = findings.filter(pl.col("row_id").is_not_null()).select("source", "line", "row_id").n_unique()
    codes = dict(sorted(Counter(findings["code"]).items()))
    quality = Quality(codes, levels, (rows.height - named) / max(rows.height + rejects.height, 1))
    is_valid = not rejects.height and "error" not in levels
    return Report(is_valid, rows.height, asked / count, answered / count, findings, rejects, quality)


def _characters(turns: pl.DataFrame) -> int:
    return int(turns["content"].str.len_chars().sum())
