"""A store that another process holds: who that is, how long this process waits, and whom it tells."""

from __future__ import annotations

import contextlib
import random
import re
import shlex
import time
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 30.0
TOLD_AFTER = 2.0
"""Seconds of waiting that nobody has to hear of: other writers are done by then."""
SHOWN = 80
FIX = "close that program (it has the store open for writing; `regrind sql` reads a copy), then run again"


class StoreHeldError(UserError):
    """Another process has the store open: what was to be written is kept, and can be written later."""


class Patience(NamedTuple):
    """How many seconds to wait for the store, and whom to tell who holds it."""

    seconds: float = PATIENCE
    say: Callable[[str], None] = lambda _: None


_PATIENCE: ContextVar[Patience] = ContextVar("patience", default=Patience())  # noqa: B039  (not changed)


@contextlib.contextmanager
def patient(seconds: float, say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, wait so long for a store that is held, and say who holds it."""
    token = _PATIENCE.set(Patience(seconds, say))
    try:
        yield
    finally:
        _PATIENCE.reset(token)


class Waiting:
    """One wait for a store.

    Args:
        path: The DuckDB file.
        patience: Seconds to wait; as the block of `patient` says, unless given.
    """

    def __init__(self, path: Path, patience: float | None) -> None:
        self._path, how = path, _PATIENCE.get()
        self._seconds = how.seconds if patience is None else patience
        self._say = how.say if patience is None else Patience().say
        self._began, self._told = time.monotonic(), False

    def wait(self, fault: Exception) -> None:
        """Wait a moment.

        Args:
            fault: What DuckDB said.

        Raises:
            StoreHeldError: It has been long enough.
        """
        waited = time.monotonic() - self._began
        if waited > self._seconds:
            raise StoreHeldError(holder(str(fault)), where=str(self._path), fix=FIX) from fault
        if waited > TOLD_AFTER and not self._told:
            self._told = True
            self._say(f"  {holder(str(fault))}: waiting for it, up to {self._seconds:.0f} s")
        time.sleep(random.uniform(0.02, 0.2))  # noqa: S311  (jitter, no secret)

    def over(self) -> None:
        """The store is open."""
        if self._told:
            self._say("  the store is free again: going on")


def holder(text: str) -> str:
    """Say which process holds the store, from DuckDB's own message."""
    found = re.search(r"held in (.+?) \(PID (\d+)", text)
    if not found:
        return "the store is locked"
    command = _command(found[2])
    return f"the store is held by {Path(found[1]).name}, process {found[2]}" + f" ({command})" * bool(command)


def _command(process: str) -> str:
    """The command line of a process, shortened; empty where the system does not tell."""
    try:
        words = Path("/proc", process, "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    line = shlex.join(word for word in words if word).replace("\n", " ")
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"
