"""`python -m training run JOBDIR`: the room's own entry, for a machine with torch and little else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from curation.errors import UserError
from training.threads import wait_passively


def main(arguments: list[str] | None = None) -> int:
    """Run one job directory, progress on stderr; return 0, or 1 where the user can fix it."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="train on a job directory")
    run_parser.add_argument("jobdir", type=Path)
    options = parser.parse_args(arguments)
    wait_passively()
    from training.job import run

    try:
        result = run(options.jobdir, _tell_step)
    except UserError as error:
        _tell(f"error: {error}")
        return 1
    _tell(f"done: {result['steps']} steps in {result['seconds']:.0f} s, model in {options.jobdir / 'model'}")
    return 0


def _tell_step(step: dict[str, Any]) -> None:
    _tell(f"step {step['step']}/{step['total']}  loss {step['loss']:.4f}")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
