"""Traces out of the store, as the judge, the corrector and the merge want them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.redact import redact_text
from judge.frames import item_frame
from judge.verdict import Item, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    import polars as pl


class Judged(NamedTuple):
    """A trace with its verdict, its tags, and why its answer ended (`stop`, `length`)."""

    item: Item
    verdict: Verdict
    tags: list[str]
    finish_reason: str | None = None


def items(connection: duckdb.DuckDBPyConnection, cycle: int) -> pl.DataFrame:
    """The traces of a cycle as items to judge (schema `judge.frames.ITEMS`), by id."""
    sql = "SELECT id, messages, output, reference FROM traces WHERE cycle = ? ORDER BY id"
    return as_items(connection.execute(sql, [cycle]).fetchall())


def as_items(rows: Iterable[tuple[str, str, str, str | None]]) -> pl.DataFrame:
    """Id, messages as stored, output and reference of traces as items to judge, without personal data."""
    return item_frame(_item(*row) for row in rows)


def _item(identity: str, messages: str, output: str, reference: str | None) -> Item:
    turns = [turn | {"content": redact_text(turn["content"])[0]} for turn in plain_turns(messages)]
    right = None if reference is None else redact_text(reference)[0]
    return Item(id=identity, messages=turns, output=redact_text(output)[0], reference=right)


JUDGED = (
    "SELECT t.id, t.messages, t.output, t.reference, t.tags, v.judge, v.state, v.score, v.feedback,"
    " t.finish_reason FROM traces t JOIN verdicts v ON v.trace = t.id AND v.repeat = 0"
)


def judged(connection: duckdb.DuckDBPyConnection, cycle: int, judge: str) -> list[Judged]:
    """The traces of a cycle that a judge gave a verdict on, by id."""
    sql = f"{JUDGED} WHERE t.cycle = ? AND v.judge = ? ORDER BY t.id"
    return _judged(connection.execute(sql, [cycle, judge]).fetchall())


def all_judged(connection: duckdb.DuckDBPyConnection) -> list[Judged]:
    """The traces that any judge gave a verdict on, by id, each with the verdict that came last."""
    last = "QUALIFY row_number() OVER (PARTITION BY t.id ORDER BY v.time DESC NULLS LAST, v.judge) = 1"
    return _judged(connection.execute(f"{JUDGED} {last} ORDER BY t.id").fetchall())


def _judged(rows: Sequence[tuple[Any, ...]]) -> list[Judged]:
    return [
        Judged(
            Item(id=i, messages=plain_turns(m), output=o, reference=r),
            Verdict(item_id=i, judge_id=judge, repeat=0, state=state, score=score, feedback=feedback),
            tags or [],
            finish_reason,
        )
        for i, m, o, r, tags, judge, state, score, feedback, finish_reason in rows
    ]


def plain_turns(text: str) -> list[dict[str, str]]:
    """Messages as stored, with role and content alone: what a judge reads."""
    return [{"role": m["role"], "content": m["content"]} for m in json.loads(text)]
