"""Runs a job and kills its own process: `kill_runner.py JOBDIR SECONDS_AFTER_FIRST_STEP`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from training.job import run


def main() -> None:
    jobdir, delay = Path(sys.argv[1]), float(sys.argv[2])
    armed = []

    def progress(_event):
        if not armed:
            armed.append(threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)))
            armed[0].daemon = True
            armed[0].start()

    run(jobdir, progress)


if __name__ == "__main__":
    main()
