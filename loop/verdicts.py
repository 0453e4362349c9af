"""Verdicts into the store: with the content key that the cache finds them by, and with who gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from judge.frames import keyed_frame
from loop.judging import judges
from loop.spool import spooled
from loop.store import insert

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from judge.identity import Identity
    from judge.panel import Panel
    from judge.protocol import Judge


def store_verdicts(
    connection: duckdb.DuckDBPyConnection, judge: Judge | Panel, verdicts: pl.DataFrame, spool: Path
) -> None:
    """Drain the spool and write the verdicts of a run, in an open transaction.

    What is written replaces an older verdict of the same judge on the same trace: one that failed then, or
    was asked for again. The spool can be cleared when the transaction is committed.

    Args:
        connection: The transaction.
        judge: Who gave them.
        verdicts: Verdicts (schema `judge.frames.VERDICTS`).
        spool: The folder of the spool.
    """
    for one in [judge, *judges(judge)]:
        insert(connection, "judges", _judge_row(one.identity))
    waiting = spooled(spool)
    if waiting:
        insert(connection, "verdicts", verdict_rows(keyed_frame(waiting.items())), known="replace")
    insert(connection, "verdicts", verdict_rows(verdicts), known="replace")


def verdict_rows(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Verdicts (schema `judge.frames.VERDICTS`) as rows of the store's table."""
    return verdicts.rename({"item_id": "trace", "judge_id": "judge"})


def _judge_row(identity: Identity) -> pl.DataFrame:
    def text(value: object) -> str:
        return msgspec.json.encode(value, order="sorted").decode()

    row = {
        "id": identity.id,
        "kind": identity.kind,
        "model": identity.model,
        "rubric": identity.rubric,
        "rubric_version": identity.version,
        "content": text(identity.content),
        "prompt": identity.prompt,
        "settings": text(identity.settings),
    }
    return pl.DataFrame([row])
