"""Run the demo in forked processes that are killed with SIGKILL, until one reaches the end.

usage: crash_runner.py WORKSPACE boundaries|effects|times-SEED|undisturbed

The parent imports every library and runs none of their code, so that a fork is safe and quick.
Prints one JSON line: how many processes were killed, and the longest time from the start of a process to
the begin of its first unfinished step.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import peft  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401

import curation.snapshot  # noqa: F401
import loop.cycle  # noqa: F401
import training.generate
import training.job  # noqa: F401
from loop.demo import run_demo
from loop.ledger import Ledger
from loop.progress import Progress

LIVES = 500


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_boundary(life: int) -> None:
    """Odd lives die just before the next step is committed, even ones just after."""
    complete = Ledger.complete

    def dying(self: Ledger, *args: Any) -> None:
        if life % 2:
            die()
        complete(self, *args)
        die()

    Ledger.complete = dying  # type: ignore[method-assign]


def die_at_effect(life: int) -> None:
    """Each life has some more writes than the one before: it dies at a sync or a rename."""
    left = [2 * life]
    for owner, name in ((os, "fsync"), (os, "replace"), (os, "rename")):
        original = getattr(owner, name)

        def counted(*args: Any, original: Any = original, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                die()
            return original(*args, **kwargs)

        setattr(owner, name, counted)


def die_at_time(life: int, seed: str) -> None:
    """Each life lasts a random time, longer and longer: whatever runs then is cut."""
    signal.signal(signal.SIGALRM, lambda *_: die())
    lasts = random.Random(f"{seed} {life}").uniform(0.05, 0.3) * (1 + life / 4)
    signal.setitimer(signal.ITIMER_REAL, lasts)


class Timed(Progress):
    """Notes how long after its making the first step begins.

    Args:
        note: A line is added to this file.
    """

    def __init__(self, note: Path) -> None:
        super().__init__(quiet=True)
        self._note, self._made, self._begun = note, time.monotonic(), False

    def begin(self, title: str) -> None:
        if not self._begun:
            self._begun = True
            with self._note.open("a", encoding="utf8") as stream:
                stream.write(f"{time.monotonic() - self._made}\n")
        super().begin(title)


def live(folder: Path, mode: str, life: int) -> None:
    """One process: set the trap, run the demo to the end."""
    kind, _, seed = mode.partition("-")
    if kind == "boundaries":
        die_at_boundary(life)
    elif kind == "effects":
        die_at_effect(life)
    elif kind == "times":
        die_at_time(life, seed)
    run_demo(folder, "reference", Timed(beside(folder)))
    signal.setitimer(signal.ITIMER_REAL, 0)


def beside(folder: Path) -> Path:
    """The file that the lives of one workspace note their times in."""
    return folder.with_name(f"{folder.name}.begun")


def main() -> None:
    folder, mode = Path(sys.argv[1]), sys.argv[2]
    beside(folder).write_text("")
    for life in range(1, LIVES):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                live(folder, mode, life)
                status = 0
            finally:
                sys.stderr.flush()
                os._exit(status)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            begun = max(map(float, beside(folder).read_text().split()), default=0.0)
            report = {"killed": life - 1, "status": os.WEXITSTATUS(status), "begun_within": round(begun, 2)}
            sys.stdout.write(json.dumps(report) + "\n")
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError("no process reached the end")


if __name__ == "__main__":
    main()
