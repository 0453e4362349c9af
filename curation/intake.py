"""Rows in: every good line becomes a row, every bad one is quarantined with line, path and reason."""

from __future__ import annotations

import contextlib
import gc
import json
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from curation.bare import FIELDS, with_messages
from curation.columns import Columns, Row
from curation.decode import Fault, decode, separators
from curation.errors import UserError
from curation.plain import check, only
from curation.records import is_another, majority, to_row
from curation.rows import schema
from curation.shapes import SHAPES, recognise
from curation.sources import Block, blocks
from curation.tables import is_table, objects, read_table
from curation.unpack import not_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

REJECTS = schema(
    {"source": pl.String, "line": pl.Int64, "path": pl.String, "reason": pl.String, "text": pl.String}
)
"""A line that is no row: where it stands, the JSON path of the fault, why, and its first 500 characters."""

TEXT = 500
"""Characters of a rejected line that are kept."""

Reject = tuple[int, str, str, str]
"""Line, path, reason and text."""

SAMPLE = 1000
"""Objects that are looked at to find out the shape."""


class Intake(NamedTuple):
    """What a file held: `rows` (schema ROWS) and `rejects` (schema REJECTS)."""

    rows: pl.DataFrame
    rejects: pl.DataFrame


def read_file(
    path: Path,
    *,
    source: str | None = None,
    shape: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    ids: bool = True,
) -> Intake:
    """Read rows in one of the shapes of `curation.shapes`.

    Blank lines are skipped. The shape that most of the first lines have is the shape of the file.

    Args:
        path: JSONL or a JSON array, plain, gzip or zstd; `-` is standard input; a Parquet file; a folder
            that Hugging Face `datasets` wrote.
        source: The name that rows and rejects carry; the file's own name unless given.
        shape: The shape of the file, a key of `SHAPES`; lines of another one are quarantined.
        progress: Called with the bytes and the lines read so far.
        ids: Whether the rows get their ids: to look at rows one does not need them, and they take half
            of the time. The column is null otherwise.

    Returns:
        Rows in the order of the file, and the rejected lines. Together they are all lines that are not blank.

    Raises:
        UserError: There is no such file, it is empty, it is not text, no line of it is a row, or its
            lines have two shapes and none was named.
    """
    reader = _Reader(path, source or path.name, shape, ids=ids)
    with _uncollected():
        if is_table(path):
            for part in objects(read_table(path)):
                reader.take_objects(part)
        else:
            for block, messages in with_messages(blocks(path), reader.bare):
                reader.take(block, messages)
                if progress:
                    progress(block.read, block.numbers.stop - 1)
    return reader.intake()


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Spare the collector millions of objects that hang in no cycle: to look at them takes half the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Reader:
    """Turns blocks into columns and faults; the shape is settled by the first block that shows one."""

    def __init__(self, path: Path, source: str, shape: str | None, *, ids: bool) -> None:
        if shape is not None and shape not in SHAPES:
            raise UserError(f"there is no shape {shape!r}", where="--shape", fix=f"use {', '.join(SHAPES)}")
        self.path, self.source, self.shape, self.named = path, source, shape, shape is not None
        self.columns, self.ids = Columns(source, ids=ids), ids
        self.fields: frozenset[str] | None = None
        self.rejects: list[pl.DataFrame] = []
        self.binary = False
        self.first = self.seen = 0

    def bare(self) -> bool:
        """Whether the objects so far had nothing but a chat."""
        return self.shape == "messages" and self.fields == FIELDS

    def take(self, block: Block, messages: pl.Series | None) -> None:
        """Read a block's lines; of some the conversations are known already."""
        faults: list[Reject] = []
        if messages is None:
            self._take_lines(block, faults)
        else:
            self.columns.add_messages(block.numbers, messages)
            self.first = self.first or block.first
        self._reject(self._with_cut(block, faults) if block.cut else faults)

    def _take_lines(self, block: Block, faults: list[Reject]) -> None:
        numbers, lines = _not_blank(block)
        if self.fields is None:
            self._settle(lines)
        chats = None
        if self.shape == "messages" and self.fields is not None:
            chats, passed = check(numbers, lines, self.fields - FIELDS, ids=self.ids)
            numbers, lines = only(numbers, ~passed), only(lines, ~passed)
            self.first = self.first or next(iter(chats.numbers), 0)
        self.columns.add(list(self._rows(numbers, lines, faults)), chats)

    def _settle(self, lines: Sequence[bytes]) -> None:
        """Find out the shape, and which fields its objects have; later, where no object tells it."""
        sample = list(islice(_objects(lines), SAMPLE))
        self.shape = self.shape or majority(sample) or majority(_objects(lines))
        if self.shape:
            self.fields = frozenset(chain(*sample))

    def _with_cut(self, block: Block, faults: list[Reject]) -> list[Reject]:
        """The place where the file is cut: its last line, or behind that where it is whole."""
        last, line = block.numbers.stop - 1, block.lines()[-1]
        others = [fault for fault in faults if fault[0] != last]
        if len(others) == len(faults) and line.strip():
            last, line = last + 1, b""
        return [*others, (last, "$", block.cut or "", _beginning(line))]

    def take_objects(self, objects: list[dict[str, Any]]) -> None:
        """Read objects that were decoded already; their numbers go on from the last."""
        self.shape = self.shape or majority(objects)
        rows, faults = [], []
        for number, record in enumerate(objects, self.seen + 1):
            try:
                _demand_json(record)
                rows.append(self._row(record, number))
            except Fault as fault:
                text = json.dumps(record, ensure_ascii=False)[:TEXT]
                faults.append((number, fault.path, fault.reason, text))
        self.columns.add(rows)
        self._reject(faults)
        self.seen += len(objects)

    def _reject(self, faults: list[Reject]) -> None:
        if faults:
            table = pl.DataFrame(faults, schema=["line", "path", "reason", "text"], orient="row")
            self.rejects.append(table.select(pl.lit(self.source).alias("source"), pl.all()))

    def _rows(self, numbers: Sequence[int], lines: Sequence[bytes], faults: list[Reject]) -> Iterator[Row]:
        for number, line, keys in zip(numbers, lines, separators(lines).tolist(), strict=True):
            try:
                yield self._row(decode(line, keys), number)
            except Fault as fault:
                # Not the fault itself: it holds on to all that was there when it was raised.
                faults.append((number, fault.path, fault.reason, _beginning(line)))
                self.binary |= line.count(b"\0") > len(line) // 10

    def _row(self, record: dict[str, Any], number: int) -> Row:
        if self.shape and not self.named:
            other = recognise(record)
            if other and other != self.shape and is_another(other, self.shape, record):
                raise self._mixed(other, number)
        row = to_row(record, self.shape, number)
        self.first = min(self.first or number, number)
        return row

    def _mixed(self, other: str, number: int) -> UserError:
        first = self.first or number
        fix = "split the file by shape, or keep the rows of one: "
        fix += f"`regrind curate convert {self.path.name} --shape {self.shape} -o FILE`"
        problem = f"two shapes in one file: line {first} is {self.shape}, line {number} is {other}"
        return UserError(problem, where=str(self.path), fix=fix)

    def intake(self) -> Intake:
        """Everything that was read."""
        rows = self.columns.frame()
        if not rows.height:
            raise self._no_row()
        return Intake(rows, self._rejected().sort("line", maintain_order=True))

    def _rejected(self) -> pl.DataFrame:
        return pl.concat([pl.DataFrame(schema=REJECTS), *self.rejects])

    def _no_row(self) -> UserError:
        if self.binary:
            return not_text(self.path)
        first = self._rejected().sort("line").head(1).to_dicts()
        said = [f"line {r['line']}: {r['reason']} - at {r['path']}" for r in first] or [
            "all lines are blank, or there are none"
        ]
        fix = "each line must be one JSON object with one of: " + "; ".join(SHAPES)
        if self.named:
            fix = f"leave out --shape {self.shape}, so that the shape is recognised"
        return UserError(f"no line can be read as a row ({said[0]})", where=str(self.path), fix=fix)


def _not_blank(block: Block) -> tuple[Sequence[int], Sequence[bytes]]:
    """The lines of a block that hold something, and their numbers."""
    lines = block.lines()
    there = np.fromiter((bool(line.strip()) for line in lines), np.bool_, len(lines))
    return only(block.numbers, there), only(lines, there)


def _objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        with contextlib.suppress(Fault):
            yield decode(line)


def _demand_json(record: dict[str, Any]) -> None:
    try:
        json.dumps(record, allow_nan=False)
    except ValueError:
        raise Fault("a number that is no JSON (an infinity)") from None


def _beginning(line: bytes) -> str:
    return line[: 4 * TEXT].decode("utf8", "replace")[:TEXT]
