"""Items to judge from a JSONL file, and verdicts into one."""

from __future__ import annotations

import codecs
import json
from typing import TYPE_CHECKING

import msgspec

from curation.errors import UserError
from curation.files import new_file
from judge.frames import item_frame
from judge.verdict import Item

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

_FIX = 'each line is {"id": "…", "messages": [{"role", "content"}], "output": "…", "reference": "…"}'


class _Turn(msgspec.Struct):
    role: str
    content: str


class _Line(msgspec.Struct):
    id: str
    messages: list[_Turn]
    output: str
    reference: str | None = None


def read_items(path: Path) -> pl.DataFrame:
    """Read `{"id", "messages", "output", "reference"}` lines; `reference` may be missing.

    Returns:
        A frame with the schema `judge.frames.ITEMS`.

    Raises:
        UserError: There is no such file, a line is not an item, or an id stands twice.
    """
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).split(b"\n")
    except OSError as fault:
        problem = f"the file cannot be read: {fault.strerror}"
        raise UserError(problem, where=str(path), fix="check the path") from fault
    found: dict[str, Item] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        item = _item(line, f"{path}:{number}")
        if item.id in found:
            problem = f"the id {item.id!r} stands twice"
            raise UserError(problem, where=f"{path}:{number}", fix="make it unique")
        found[item.id] = item
    if not found:
        raise UserError("the file is empty", where=str(path), fix=_FIX)
    return item_frame(found.values())


def _item(line: bytes, where: str) -> Item:
    try:
        read = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise UserError(f"not an item: {fault}", where=where, fix=_FIX) from fault
    turns = [{"role": turn.role, "content": turn.content} for turn in read.messages]
    return Item(read.id, turns, read.output, read.reference)


def write_verdicts(verdicts: pl.DataFrame, path: Path) -> None:
    """Write one verdict (schema `judge.frames.VERDICTS`) a line."""
    with new_file(path) as temporary, temporary.open("wb") as stream:
        for row in verdicts.drop("key").iter_rows(named=True):
            stream.write(msgspec.json.encode(row | {"criteria": json.loads(row["criteria"])}) + b"\n")
