"""Run the demo in forked processes that are killed with SIGKILL, until one reaches the end.

usage: crash_runner.py WORKSPACE boundaries|effects|times|undisturbed

The parent imports every library and runs none of their code, so that a fork is safe and quick.
Prints one JSON line: how many processes were killed, and in which steps.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
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


def die_at_boundary(folder: Path, life: int) -> None:
    """Odd lives die just before the next step is committed, even ones just after."""
    complete = Ledger.complete

    def dying(self: Ledger, *args: Any) -> None:
        if life % 2:
            die()
        complete(self, *args)
        die()

    Ledger.complete = dying  # type: ignore[method-assign]


def die_at_effect(folder: Path, life: int) -> None:
    """Each life has some more writes than the one before: it dies at a sync or a rename."""
    left = [3 * life]
    for owner, name in ((os, "fsync"), (os, "replace"), (os, "rename")):
        original = getattr(owner, name)

        def counted(*args: Any, original: Any = original, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                die()
            return original(*args, **kwargs)

        setattr(owner, name, counted)


def die_at_time(folder: Path, life: int) -> None:
    """Each life lasts a random time, longer and longer: whatever runs then is cut."""
    signal.signal(signal.SIGALRM, lambda *_: die())
    signal.setitimer(signal.ITIMER_REAL, random.Random(life).uniform(0.05, 0.3) * (1 + life / 4))


def live(folder: Path, mode: str, life: int) -> None:
    """One process: set the trap, run the demo to the end."""
    traps = {"boundaries": die_at_boundary, "effects": die_at_effect, "times": die_at_time}
    if mode in traps:
        traps[mode](folder, life)
    run_demo(folder, "reference", Progress(quiet=True))
    signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    folder, mode = Path(sys.argv[1]), sys.argv[2]
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
            sys.stdout.write(json.dumps({"killed": life - 1, "status": os.WEXITSTATUS(status)}) + "\n")
            return
        assert os.WTERMSIG(status) == signal.SIGKILL
    raise AssertionError("no process reached the end")


if __name__ == "__main__":
    main()
