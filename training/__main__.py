"""`python -m training run JOBDIR`: the training room's own entry, for a machine with torch and little else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from curation.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Run one job directory, progress on stderr; return 0, or 1 where the user can fix it."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run_parser = commands.add_parser("run", help="train on a job directory")
    run_parser.add_argument("jobdir", type=Path)
    options = parser.parse_args(arguments)
    from training.job import run

    try:
        result = run(options.jobdir, _print_step)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"done: {result['steps']} steps in {result['seconds']:.0f} s", file=sys.stderr)
    print(f"model: {options.jobdir / 'model'}", file=sys.stderr)
    return 0


def _print_step(step: dict[str, Any]) -> None:
    print(f"step {step['step']}/{step['total']}  loss {step['loss']:.4f}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
