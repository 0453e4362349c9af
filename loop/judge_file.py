"""Items to judge from a JSONL file, and verdicts into one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from curation.errors import UserError
from curation.files import new_file
from judge.verdict import Item, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Turn(msgspec.Struct):
    role: str
    content: str


def read_items(path: Path) -> list[Item]:
    """Read `{"id", "messages", "output", "reference"}` lines; `reference` may be missing.

    Raises:
        UserError: There is no such file, a line is not an item, or an id stands twice.
    """
    fix = 'each line is {"id": "…", "messages": [{"role", "content"}], "output": "…", "reference": "…"}'
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as fault:
        raise UserError(
            f"the file cannot be read: {fault.strerror}", where=str(path), fix="check the path"
        ) from fault
    found: dict[str, Item] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line, type=Item)
            for turn in item.messages:
                msgspec.convert(turn, _Turn)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise UserError(f"not an item: {fault}", where=f"{path}:{number}", fix=fix) from fault
        if item.id in found:
            raise UserError(
                f"the id {item.id!r} stands twice", where=f"{path}:{number}", fix="make it unique"
            )
        found[item.id] = item
    if not found:
        raise UserError("the file is empty", where=str(path), fix=fix)
    return list(found.values())


def write_verdicts(verdicts: Sequence[Verdict], path: Path) -> None:
    """Write one verdict a line."""
    with new_file(path) as temporary:
        temporary.write_bytes(b"".join(msgspec.json.encode(v) + b"\n" for v in verdicts))
