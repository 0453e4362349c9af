"""Files of JSON lines that only grow: each append is whole and synced; a torn last line does not count."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from curation.errors import UserError
from curation.files import writing

if TYPE_CHECKING:
    from io import FileIO
    from pathlib import Path

T = TypeVar("T")


def append(path: Path, lines: bytes) -> None:
    """Add whole lines or nothing: half of one would spoil the next. What was added survives a crash.

    Raises:
        UserError: The disk is full, or the place may not be written to.
    """
    with writing(path), path.open("a+b", buffering=0) as stream:
        whole = _cut(stream)
        written = False
        try:
            written = stream.write(lines) == len(lines)
            os.fsync(stream.fileno())
        finally:
            if not written:
                stream.truncate(whole)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _cut(stream: FileIO) -> int:
    """Cut off what a crash left of the last append: what follows must start a line. Gives the file's size."""
    size = stream.seek(0, os.SEEK_END)
    if size and os.pread(stream.fileno(), 1, size - 1) != b"\n":
        size = os.pread(stream.fileno(), size, 0).rfind(b"\n") + 1
        stream.truncate(size)
    return size


def read_lines(path: Path, kind: type[T], what: str, fix: str) -> list[T]:
    """Every whole line of the file as a `kind`; no file has no lines. Writes nothing.

    Raises:
        UserError: A whole line is damaged; `what` and `fix` say what it was and what to do.
    """
    if not path.exists():
        return []
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    found = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise UserError(f"{what} is damaged: {fault}", where=f"{path}:{number}", fix=fix) from fault
    return found
