"""Verdicts into the store: with the content key that the cache finds them by, and with who gave them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import polars as pl

from judge.verdict import Verdict, content_key, frame
from loop.judging import judges
from loop.spool import spooled
from loop.store import insert

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import duckdb

    from judge.identity import Identity
    from judge.panel import Panel
    from judge.protocol import Judge
    from judge.verdict import Item


def store_verdicts(
    connection: duckdb.DuckDBPyConnection,
    judge: Judge | Panel,
    asked: Sequence[Item],
    verdicts: Sequence[Verdict],
    spool: Path,
) -> None:
    """Drain the spool and write the verdicts of a run, in an open transaction.

    What is written replaces an older verdict of the same judge on the same trace: one that failed then. The
    spool can be cleared when the transaction is committed.

    Args:
        connection: The transaction.
        judge: Who gave them.
        asked: The items.
        verdicts: One per item, in the same order.
        spool: The folder of the spool.
    """
    for one in [judge, *judges(judge)]:
        insert(connection, "judges", _judge_row(one.identity))
    waiting = spooled(spool)
    if waiting:
        insert(connection, "verdicts", keyed(waiting), known="replace")
    insert(connection, "verdicts", verdict_rows(asked, verdicts), known="replace")


def verdict_rows(asked: Sequence[Item], verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """Verdicts as rows of the store's table."""
    keys = [content_key(i, v.judge_id, v.repeat) for i, v in zip(asked, verdicts, strict=True)]
    return _rows(keys, verdicts)


def keyed(verdicts: Mapping[str, Verdict]) -> pl.DataFrame:
    """Verdicts by content key as rows of the store's table."""
    return _rows(list(verdicts), list(verdicts.values()))


def _rows(keys: Sequence[str], verdicts: Sequence[Verdict]) -> pl.DataFrame:
    table = frame(verdicts).with_columns(pl.Series("key", keys, pl.String))
    return table.rename({"item_id": "trace", "judge_id": "judge"})


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
