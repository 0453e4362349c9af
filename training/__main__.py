"""`python -m training …`: the room's own entry, for a machine with torch and little else."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from curation.errors import UserError
from training.threads import wait_passively
from training.together import first


def main(arguments: list[str] | None = None) -> int:
    """Run, watch or stop a job, progress on stderr; return 0, or 1 where the user can fix it."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("run", "train on a job directory; one that was stopped or killed goes on"),
        ("status", "print how a job stands, as JSON"),
        ("stop", "ask a running job to write a checkpoint and to end"),
    ):
        commands.add_parser(name, help=what).add_argument("jobdir", type=Path)
    commands.choices["run"].add_argument("--fresh", action="store_true", help="begin anew")
    options = parser.parse_args(arguments)
    try:
        _do(options)
    except UserError as error:
        _tell(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        _tell("interrupted; the same command goes on from the newest checkpoint")
        return 130
    return 0


def _do(options: argparse.Namespace) -> None:
    from training.state import ask_to_stop, read_state

    if options.command == "status":
        sys.stdout.write(json.dumps(read_state(options.jobdir), indent=2) + "\n")
    elif options.command == "stop":
        ask_to_stop(options.jobdir)
        _tell("asked: it ends after its current step")
    else:
        wait_passively()
        from training.curves import terminal
        from training.job import run
        from training.metrics import read_metrics

        result = run(options.jobdir, _tell_event, fresh=options.fresh)
        if first():
            _tell(terminal(read_metrics(options.jobdir / "metrics.jsonl")))
            for warning in result["warnings"]:
                _tell(f"warning: {warning}")
            model = options.jobdir / "model"
            _tell(f"done: {result['steps']} steps in {result['seconds']:.0f} s, model in {model}")


def _tell_event(event: dict[str, Any]) -> None:
    if "note" in event:
        _tell(event["note"])
    elif "loss" in event:
        _tell(f"step {event['step']}/{event['total']}  loss {event['loss']:.4f}")
    else:
        _tell(f"step {event['step']}  validation loss {event['validation_loss']:.4f}")


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
