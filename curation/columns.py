"""Rows on their way into a frame: collected block by block as Arrow columns, never as a list of objects."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa

from curation.rows import ROWS, Turn, turns_id, with_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curation.plain import Chats

_NAMES = pa.large_list(pa.large_string())
_TURN = pa.struct([("role", pa.string_view()), ("content", pa.string_view()), ("extra", pa.string_view())])


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
        self._blocks: list[pl.DataFrame] = []

    def add(self, rows: Sequence[Row], chats: Chats | None = None) -> None:
        """Append rows, and chats of the same block."""
        parts = []
        if rows:
            numbers, turns, *beside = zip(*rows, strict=True)
            roles, contents, extras = zip(*chain.from_iterable(turns), strict=True)
            ids = [turns_id(t) for t in turns] if self._ids else None
            messages = _lists(np.fromiter(map(len, turns), np.int64), roles, contents, extras)
            parts.append(self._table(numbers, messages, ids, *beside))
        if chats and chats.numbers:
            messages = _lists(chats.counts, chats.roles, chats.contents, [None] * len(chats.roles))
            parts.append(self._table(chats.numbers, messages, *chats[4:]))
        if parts:
            self._blocks.append(pl.concat(parts).sort("line") if len(parts) > 1 else parts[0])

    def add_messages(self, numbers: Sequence[int], messages: pl.Series) -> None:
        """Append rows that are conversations alone."""
        table = self._table(numbers, messages, None, None, None, None)
        self._blocks.append(with_ids(table) if self._ids else table)

    def _table(
        self,
        numbers: Sequence[int],
        messages: pa.LargeListArray | pl.Series,
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
        return pl.concat([pl.DataFrame(schema=ROWS), *self._blocks], rechunk=False)


def _text(values: Sequence[str] | None) -> pl.Expr:
    return pl.lit(None, pl.String) if values is None else pl.lit(pl.Series(values, dtype=pl.String))


def _names(values: Sequence[list[str]] | None) -> pl.Expr:
    return pl.lit([], pl.List(pl.String)) if values is None else pl.lit(pl.Series(pa.array(values, _NAMES)))


def _lists(
    counts: NDArray[np.int64],
    roles: Sequence[str],
    contents: Sequence[str],
    extras: Sequence[str | None],
) -> pa.LargeListArray:
    """(rows,) lists of turns, so many each."""
    offsets = _arrow(pl.Series(np.concatenate(([0], np.cumsum(counts))), dtype=pl.Int64))
    texts = [_arrow(pl.Series(column, dtype=pl.String)) for column in (roles, contents, extras)]
    return pa.LargeListArray.from_arrays(offsets, pa.StructArray.from_arrays(texts, fields=list(_TURN)))


def _arrow(series: pl.Series) -> pa.Array:
    """A column for Arrow, without a copy: by way of polars, which takes half the time from Python's texts."""
    return series.to_arrow(compat_level=pl.CompatLevel.newest())
