"""Rows on their way into a frame: collected block by block as Arrow columns, never as a list of objects."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pyarrow as pa

from curation.plain import Chats, decode_messages
from curation.rows import ROWS, Turn, turns_id

if TYPE_CHECKING:
    from collections.abc import Sequence

AHEAD = 3
"""Blocks that may wait to be decoded."""

_NAMES = pa.large_list(pa.large_string())
_TURN = pa.struct([("role", pa.large_string()), ("content", pa.large_string()), ("extra", pa.large_string())])


class Row(NamedTuple):
    """A row before it is a part of columns; `meta` is JSON."""

    line: int
    turns: list[Turn]
    tags: list[str]
    parents: list[str]
    meta: str


class Columns:
    """Blocks of rows of one source.

    Args:
        source: The name that the rows carry.
        ids: Whether they get their ids; null otherwise.
    """

    def __init__(self, source: str, *, ids: bool = True) -> None:
        self._source, self._ids = source, ids
        self._blocks: list[Future[pl.DataFrame]] = []
        self._worker = ThreadPoolExecutor(1)

    def add(self, rows: Sequence[Row], chats: Chats | None = None) -> None:
        """Append rows, and chats of the same block: those are decoded while other blocks are read."""
        if len(self._blocks) >= AHEAD:
            self._blocks[-AHEAD].result()  # or a slow decoder would fill the memory
        self._blocks.append(self._worker.submit(self._block, rows, chats))

    def _block(self, rows: Sequence[Row], chats: Chats | None) -> pl.DataFrame:
        parts = []
        if rows:
            numbers, turns, *beside = zip(*rows, strict=True)
            ids = [turns_id(t) for t in turns] if self._ids else None
            parts.append(self._table(numbers, _lists(turns), ids, *beside))
        if chats and chats.lines:
            parts.append(self._table(chats.numbers, decode_messages(chats.lines), *chats[2:]))
        return pl.concat([pl.DataFrame(schema=ROWS), *parts]).sort("line") if len(parts) != 1 else parts[0]

    def _table(
        self,
        numbers: Sequence[int],
        messages: pa.LargeListArray | pa.ChunkedArray,
        ids: Sequence[str] | None,
        tags: Sequence[list[str]] | None,
        parents: Sequence[list[str]] | None,
        metas: Sequence[str] | None,
    ) -> pl.DataFrame:
        return pl.select(
            _text(ids).alias("id"),
            pl.Series("messages", messages, ROWS["messages"]),
            _names(tags).alias("tags"),
            pl.lit(self._source).alias("source"),
            pl.Series("line", numbers, pl.Int64),
            _names(parents).alias("parents"),
            _text(None).alias("family"),
            _text(metas).fill_null("{}").alias("meta"),
        )

    def frame(self) -> pl.DataFrame:
        """All rows, with schema ROWS."""
        self._worker.shutdown()
        blocks = [block.result() for block in self._blocks]
        return pl.concat([pl.DataFrame(schema=ROWS), *blocks], rechunk=False)


def _text(values: Sequence[str] | None) -> pl.Expr:
    return pl.lit(None, pl.String) if values is None else pl.lit(pl.Series(values, dtype=pl.String))


def _names(values: Sequence[list[str]] | None) -> pl.Expr:
    return pl.lit([], pl.List(pl.String)) if values is None else pl.lit(pl.Series(pa.array(values, _NAMES)))


def _lists(turns: Sequence[Sequence[Turn]]) -> pa.LargeListArray:
    """(rows,) lists of turns."""
    offsets = [0]
    for entry in turns:
        offsets.append(offsets[-1] + len(entry))
    roles, contents, extras = zip(*chain.from_iterable(turns), strict=True)
    columns = [pa.array(column, pa.large_string()) for column in (roles, contents, extras)]
    flat = pa.StructArray.from_arrays(columns, fields=list(_TURN))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat)
