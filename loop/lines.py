"""Files of JSON lines that only grow: each append is whole and synced, and a torn last line is cut off."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, TypeVar

import msgspec

from curation.errors import UserError
from curation.files import writing

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def append(path: Path, lines: bytes) -> None:
    """Add whole lines or nothing: half of one would spoil the next. What was added survives a crash.

    Raises:
        UserError: The disk is full, or the place may not be written to.
    """
    with writing(path), path.open("ab", buffering=0) as stream:
        whole = stream.tell()
        written = False
        try:
            written = stream.write(lines) == len(lines)
            os.fsync(stream.fileno())
        finally:
            if not written:
                stream.truncate(whole)
        if not written:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_lines(path: Path, kind: type[T], what: str, fix: str) -> list[T]:
    """Every line of the file as a `kind`; no file has no lines.

    Raises:
        UserError: A whole line is damaged; `what` and `fix` say what it was and what to do.
    """
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    found = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            found.append(msgspec.json.decode(line, type=kind))
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise UserError(f"{what} is damaged: {fault}", where=f"{path}:{number}", fix=fix) from fault
    if torn:
        with path.open("r+b") as stream:  # the last append was cut by a crash: what follows must start a line
            stream.truncate(path.stat().st_size - len(torn))
    return found
