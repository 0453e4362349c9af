"""Validation: which row breaks which rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from curation.rows import with_ids
from curation.rules import Kind, Rule, Settings, chosen, level_of
from curation.rules.table import Table, tabulate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FINDINGS = pl.Schema(
    {"code": pl.String, "level": pl.String, "row_id": pl.String, "source": pl.String, "line": pl.Int64}
    | {"message": pl.String, "detail": pl.String, "fix": pl.String}
)
"""A broken rule: its code and level, the row and its place, what is wrong, what exactly, what to do."""


def validate(rows: pl.DataFrame, *, kind: Kind = "train", settings: Settings | None = None) -> pl.DataFrame:
    """Check the rows of one file against the rules of `curation.rules`.

    Args:
        rows: Rows with schema ROWS; their ids may be null.
        kind: What they are for; prompts are not asked for an answer.
        settings: Which rules are asked, their levels and limits.

    Returns:
        Findings with schema FINDINGS, in the order of the rows, those on the whole file first.

    Raises:
        UserError: The settings name a rule that does not exist.
    """
    settings = settings or Settings()
    rules = [rule for rule in chosen(kind, settings) if not rule.across]
    return _named(_findings(tabulate(rows), rules, settings), rows)


def validate_together(
    files: Sequence[pl.DataFrame], *, kind: Kind = "train", settings: Settings | None = None
) -> pl.DataFrame:
    """Check each of several files, and then against each other.

    Args:
        files: Rows with schema ROWS, a frame a file.
        kind: What they are for.
        settings: Which rules are asked, their levels and limits.

    Raises:
        UserError: The settings name a rule that does not exist.
    """
    settings = settings or Settings()
    parts = [validate(rows, kind=kind, settings=settings) for rows in files]
    rules = [rule for rule in chosen(kind, settings) if rule.across]
    if rules and len(files) > 1:
        together = pl.concat(files)
        parts.append(_named(_findings(tabulate(together), rules, settings), together))
    return pl.concat([pl.DataFrame(schema=FINDINGS), *parts])


def in_words(finding: Mapping[str, Any], file: str | None = None) -> str:
    """A finding as one line: place, level, code, what is wrong.

    Args:
        finding: A row of findings.
        file: The file's name; the finding's own source unless given.
    """
    name = file or finding["source"]
    place = f"{name}:{finding['line']}" if name and finding["line"] else name
    detail = f": {finding['detail']}" if finding["detail"] else ""
    said = f"{finding['level']}: {finding['code']} {finding['message']}{detail}"
    return f"{place}: {said}" if place else said


def _findings(table: Table, rules: Sequence[Rule], settings: Settings) -> pl.DataFrame:
    parts = [_of_rule(table, rule, settings) for rule in rules]
    found = pl.concat([pl.DataFrame(schema=FINDINGS).with_columns(row=pl.lit(None, pl.UInt32)), *parts])
    return found.sort(pl.col("row").is_not_null(), "source", "line", "code", maintain_order=True)


def _named(findings: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Findings with the ids of their rows; only those are worked out."""
    found = findings["row"].unique().drop_nulls()
    named = with_ids(rows[found]).select(row=found, row_id="id")
    return (
        findings.drop("row_id")
        .join(named, on="row", how="left", maintain_order="left")
        .select(FINDINGS.names())
    )


def _of_rule(table: Table, rule: Rule, settings: Settings) -> pl.DataFrame:
    hits = rule.find(table, settings)
    if "detail" not in hits.columns:
        hits = hits.with_columns(detail=pl.lit(None, pl.String))
    places = table.rows.select("row", "source", "line")
    files = places["source"].unique()
    file = pl.lit(files[0] if files.len() == 1 else None, pl.String)
    return hits.join(places, on="row", how="left", maintain_order="left").select(
        pl.lit(rule.code).alias("code"),
        pl.lit(level_of(rule, settings)).alias("level"),
        pl.lit(None, pl.String).alias("row_id"),
        pl.when(pl.col("row").is_null()).then(file).otherwise("source").alias("source"),
        "line",
        pl.lit(rule.title).alias("message"),
        "detail",
        pl.lit(rule.fix).alias("fix"),
        "row",
    )
