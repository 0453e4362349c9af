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


class BusyError(UserError):
    """Another process holds the workspace."""


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold a workspace for writing while the block lasts.

    Args:
        path: The lock file; it holds the number of the process that has the lock.

    Raises:
        BusyError: Another process has it.
    """
    with writing(path):
        path.touch()
    with path.open("a+", encoding="utf8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            stream.seek(0)
            holder = stream.read().strip() or "unknown"
            fix = "wait for it to end; `regrind cycle status` says how far it is"
            raise BusyError(f"process {holder} works in this workspace", where=str(path), fix=fix) from fault
        with writing(path):
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
        yield
