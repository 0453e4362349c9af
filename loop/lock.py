"""One cycle at a time: a lock on a file, which the system frees when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from curation.errors import UserError
from curation.files import writing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


FIX = "wait for it to end; `regrind cycle status` says how far it is"


class BusyError(UserError):
    """Another process holds the workspace."""


@contextlib.contextmanager
def only_one(path: Path, place: str = "in this workspace", fix: str = FIX) -> Iterator[None]:
    """Hold a workspace, or another folder, for writing while the block lasts.

    Args:
        path: The lock file; it holds the number of the process that has the lock.
        place: Where another process would be at work, for the message.
        fix: What the user can do when another process has it.

    Raises:
        BusyError: Another process has it.
    """
    with writing(path):
        opened = path.open("ab+", buffering=0)  # a full disk is told by the write, not by the closing
    with opened as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            stream.seek(0)
            holder = stream.read().decode().strip() or "unknown"
            raise BusyError(f"process {holder} works {place}", where=str(path), fix=fix) from fault
        with writing(path):
            stream.truncate(0)
            stream.write(str(os.getpid()).encode())
        yield
