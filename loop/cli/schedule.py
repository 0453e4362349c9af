"""Command `regrind cycle schedule`: run cycles at their time, here or from cron or systemd."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, told

if TYPE_CHECKING:
    from loop.ticks import Tick

EXIT_FAILED = 1


class Form(StrEnum):
    """What `--print` prints."""

    CRON = "cron"
    SYSTEMD = "systemd"


def schedule(
    workspace: WorkspaceDir = Path(),
    print_: Annotated[
        Form | None, typer.Option("--print", help="Print lines for cron or systemd instead, and end.")
    ] = None,
    once: Annotated[bool, typer.Option(help="Look once, now, and end: what those lines call.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look at the times that `[schedule]` sets, and run a cycle when there is a reason; until Ctrl-C.

    Reasons are new low scores, the time since the last cycle, and a fall of the mean score; without
    such settings each look runs one. However many processes look at one workspace, one of them has
    each look. What failed is told to the command or the webhook that the settings name.

    Example: regrind cycle schedule -w my-loop --print cron
    """
    from loop.schedule import keep_looking, look_once
    from loop.schedule_lines import cron_line, systemd_units

    space = open_workspace(workspace)
    if print_:
        out(cron_line(space) if print_ is Form.CRON else systemd_units(space))
        next_command(f"regrind cycle schedule -w {sh(workspace)} --once")
        return
    if not once:
        for done in keep_looking(space, told()):
            _say(done, as_json=as_json)
    done = look_once(space, told())
    _say(done, as_json=as_json)
    next_command(f"regrind cycle status -w {sh(workspace)}")
    if done.outcome == "failed":
        raise typer.Exit(EXIT_FAILED)


def _say(done: Tick, *, as_json: bool) -> None:
    """One line a look, at once: somebody may follow the log."""
    if as_json:
        out_json(done._asdict())
    else:
        cycle = f"cycle {done.cycle} " if done.cycle else ""
        out(f"{done.due:%Y-%m-%d %H:%M:%S} UTC: {cycle}{done.outcome}: {done.detail}")
    sys.stdout.flush()
