"""Rows on their way into a frame: collected block by block as Arrow columns, never as a list of objects."""

from __future__ import annotations

import hashlib
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from curation.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence

Turn = tuple[str, str, str | None]
"""Role, content, and the turn's other fields as JSON or None."""

_NAMES = pa.large_list(pa.large_string())
_TURN = pa.struct([("role", pa.large_string()), ("content", pa.large_string()), ("extra", pa.large_string())])


_encode = msgspec.json.Encoder().encode


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
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._blocks: list[pl.DataFrame] = []

    def add(self, rows: Sequence[Row]) -> None:
        """Append rows, in the order of their lines."""
        if rows:
            self._append(*zip(*rows, strict=True))

    def add_plain(self, lines: Sequence[int], turns: Sequence[list[Turn]]) -> None:
        """Append rows that have nothing but turns."""
        if lines:
            nothing: list[list[str]] = [[]] * len(lines)
            self._append(lines, turns, nothing, nothing, ["{}"] * len(lines))

    def _append(
        self,
        lines: Sequence[int],
        turns: Sequence[list[Turn]],
        tags: Sequence[list[str]],
        parents: Sequence[list[str]],
        metas: Sequence[str],
    ) -> None:
        columns = {
            "id": [turns_id(t) for t in turns],
            "messages": pl.Series("messages", _lists(turns)),
            "tags": pl.Series("tags", pa.array(tags, _NAMES)),
            "source": pl.repeat(self._source, len(lines), dtype=pl.String, eager=True),
            "line": lines,
            "parents": pl.Series("parents", pa.array(parents, _NAMES)),
            "family": pl.repeat(None, len(lines), dtype=pl.String, eager=True),
            "meta": metas,
        }
        self._blocks.append(pl.DataFrame(columns, schema=ROWS))

    def frame(self) -> pl.DataFrame:
        """All rows, with schema ROWS."""
        return pl.concat([pl.DataFrame(schema=ROWS), *self._blocks], rechunk=False)


def turns_id(turns: Sequence[Turn]) -> str:
    """The id of a row with these turns: the same as `curation.rows.row_id` gives, at a third of the time."""
    return hashlib.sha256(_encode(turns)).digest()[:8].hex()


def _lists(turns: Sequence[Sequence[Turn]]) -> pa.LargeListArray:
    """(rows,) lists of turns."""
    offsets = [0]
    for entry in turns:
        offsets.append(offsets[-1] + len(entry))
    roles, contents, extras = zip(*chain.from_iterable(turns), strict=True)
    columns = [pa.array(column, pa.large_string()) for column in (roles, contents, extras)]
    flat = pa.StructArray.from_arrays(columns, fields=list(_TURN))
    return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat)
