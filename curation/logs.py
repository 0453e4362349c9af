"""Conversation logs in: a line may call the two sides `input` and `output`."""

from __future__ import annotations

import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

from curation.errors import UserError
from curation.intake import Intake, read_jsonl

SIDES = {"prompt": ("prompt", "input"), "response": ("response", "output")}
OTHER_SHAPES = {"messages", "conversations", "instruction", "completion", "question"}
PEEK = 1000
"""Lines that are looked at to know how a log names its sides."""


def read_log(path: Path, *, source: str | None = None) -> Intake:
    """Read a log: any shape of `read_jsonl`, and `prompt` or `input` with `response` or `output`.

    Args:
        path: The file.
        source: The name that rows and rejects carry; the file's own name unless given.

    Returns:
        Rows and rejected lines, with the line numbers of the file.

    Raises:
        UserError: The file cannot be read, or no line of it is a row.
    """
    name = source or path.name
    if not _names_the_sides_otherwise(path):
        return read_jsonl(path, source=name)
    with tempfile.TemporaryDirectory() as scratch:
        renamed = Path(scratch) / "log.jsonl"
        with path.open("rb") as lines, renamed.open("wb") as stream:
            stream.writelines(map(_renamed, lines))
        try:
            return read_jsonl(renamed, source=name)
        except UserError as fault:
            raise UserError(fault.problem, where=str(path), fix=fault.fix) from fault


def _names_the_sides_otherwise(path: Path) -> bool:
    """Whether one of the first lines needs other names."""
    if not path.is_file():
        return False
    with path.open("rb") as lines:
        return any(_renamed(line) is not line for line in itertools.islice(lines, PEEK))


def _renamed(line: bytes) -> bytes:
    """The line with its sides called `prompt` and `response`; any line that is in doubt as it is."""
    try:
        record = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return line
    if not isinstance(record, dict) or OTHER_SHAPES & record.keys():
        return line
    new = {}
    for side, names in SIDES.items():
        found = [name for name in names if name in record]
        if len(found) != 1 or not isinstance(record[found[0]], str):
            return line
        new[found[0]] = side
    if all(name == side for name, side in new.items()):
        return line
    return json.dumps({new.get(key, key): value for key, value in record.items()}).encode() + b"\n"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError  # a key that stands twice: the intake names it
    return record
