"""Old rows that go because a new one says otherwise: a correction, or a conflict that no row survives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from curation.children import descendants
from curation.rows import canonical, drop_frame, plain, split_answer
from curation.state import advance
from loop.offers import CORRECTED

if TYPE_CHECKING:
    from curation.state import Curated


def superseded(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """The old rows whose very prompt a new correction answers otherwise: the model would learn both.

    Rows that were made from one of them go with it.

    Returns:
        Drops whose partner is the correction.
    """
    corrections = {_prompt(row): row for row in new.filter(CORRECTED).iter_rows(named=True)}
    # Only rows of the same last question are looked at closely: there are millions of others.
    asked = pl.col("messages").list.get(-2, null_on_oob=True).struct.field("content")
    questions = {row["messages"][-2]["content"] for row in corrections.values() if len(row["messages"]) > 1}
    near = old.filter(asked.is_in(list(questions)))
    by = {row["id"]: corrections.get(_prompt(row)) for row in near.iter_rows(named=True)}
    wrong = {identity: c for identity, c in by.items() if c is not None and c["id"] != identity}
    made = old.filter(pl.col("parents").list.len() > 0)
    for number, parent in descendants(made, wrong).items():
        wrong[made["id"][number]] = wrong[parent]
    return drop_frame(
        {name: row[name] for name in ("source", "line")}
        | {"row_id": row["id"], "step": "merge", "reason": "superseded by a correction"}
        | {"partner_id": wrong[row["id"]]["id"], "partner_source": wrong[row["id"]]["source"]}
        | {"partner_line": wrong[row["id"]]["line"], "similarity": 1.0}
        for row in old.filter(pl.col("id").is_in(list(wrong))).iter_rows(named=True)
    )


def contradicted(done: Curated, old: pl.DataFrame, gone: list[str]) -> Curated:
    """The policy `drop_all` for old rows: those that a new row contradicts go, too; `gone` gets their ids."""
    found = done.conflicts.select("row_id", "partner_id", "partner_source", "partner_line")
    turned = done.conflicts.select(
        row_id="partner_id", partner_id="row_id", partner_source="source", partner_line="line"
    )
    by = {row["row_id"]: row for row in pl.concat([found, turned]).iter_rows(named=True)}
    wrong = old.filter(pl.col("id").is_in(list(by)) & ~pl.col("id").is_in(gone))
    drops = drop_frame(
        by[row["id"]]
        | {"source": row["source"], "line": row["line"], "step": "merge"}
        | {"reason": "conflicting answer"}
        for row in wrong.iter_rows(named=True)
    )
    gone += wrong["id"].to_list()
    return advance(done, "conflicts", done.rows, drops, old=drops.height)


def _prompt(row: dict[str, Any]) -> str:
    return canonical(plain(split_answer(row["messages"])[0]))
