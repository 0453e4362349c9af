"""Progress on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

EVERY = 5.0


class Progress:
    """Tells how far a piece of work is.

    Args:
        quiet: Tell nothing.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._console = Console(stderr=True, highlight=False)
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._told = 0.0

    def begin(self, title: str) -> None:
        """A piece of work begins."""
        self.say(title)
        self._told = time.monotonic()

    def step(self, done: int, total: int, what: str = "") -> None:
        """So much of it is done.

        Args:
            done: Units done.
            total: Units in all.
            what: What is being done, with figures.
        """
        if self._quiet:
            return
        if self._console.is_terminal:
            self._bar(done, total, what)
        elif time.monotonic() - self._told > EVERY:
            self._told = time.monotonic()
            print(f"  {done} of {total} {what}".rstrip(), file=sys.stderr, flush=True)  # noqa: T201

    def end(self, summary: str) -> None:
        """The piece of work is done."""
        self._clear()
        self.say(f"  {summary}")

    def say(self, line: str) -> None:
        """One line."""
        if not self._quiet:
            self._console.print(line, markup=False, soft_wrap=True)

    def _bar(self, done: int, total: int, what: str) -> None:
        if self._bars is None:
            columns = ("  ", BarColumn(30), MofNCompleteColumn(), TextColumn("{task.description}"))
            self._bars = Bars(*columns, TimeRemainingColumn(), console=self._console, transient=True)
            self._bars.start()
            self._task = self._bars.add_task(what, total=total)
        if self._task is not None:
            self._bars.update(self._task, completed=done, total=total, description=what)

    def _clear(self) -> None:
        if self._bars is not None:
            self._bars.stop()
        self._bars = self._task = None
