"""Commands `regrind cycle …`: run the loop, go on after a crash, see how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import (
    EXIT_HELD,
    AsJson,
    WorkspaceDir,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    told,
)

app = typer.Typer(help="Run the loop.", no_args_is_help=True)


@app.command()
def run(
    workspace: WorkspaceDir = Path(),
    again: Annotated[bool, typer.Option(help="Run a cycle even when nothing has changed.")] = False,
    restart: Annotated[bool, typer.Option(help="Abandon an interrupted cycle and begin anew.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the next cycle, or go on with an interrupted one; exit 3 when the gate held the model.

    The first cycle makes a snapshot of the seed files, trains on it and puts the model before the
    gate. Every later one lets production answer the pool, judges and corrects the answers, and
    retrains on what was learned. When nothing has changed since the last cycle, nothing is done.

    Example: regrind cycle run -w my-loop
    """
    from loop.cycle import run_cycle
    from loop.summary import render, summarise

    space = open_workspace(workspace)
    ran = run_cycle(space, told(), again=again, restart=restart)
    summary = summarise(space) | {"cycle": ran.cycle.id, "steps_run": ran.steps}
    if as_json:
        out_json(summary)
    elif ran.steps:
        render(summary, out, table)
    else:
        out(f"nothing has changed since cycle {ran.cycle.id}: nothing done (--again runs one all the same)")
    held = ran.steps and any(
        d["cycle"] == ran.cycle.id and d["decision"] == "held" for d in summary["decisions"]
    )
    next_command(f"regrind cycle status -w {sh(workspace)}", f"regrind cycle run -w {sh(workspace)}")
    if held:
        raise typer.Exit(EXIT_HELD)


@app.command()
def status(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Cycles and their steps, the newest last.

    Example: regrind cycle status -w my-loop
    """
    from loop.store import query

    view = open_workspace(workspace).view
    cycles = query(view, "SELECT id, kind, state, started, finished FROM cycles ORDER BY id")
    steps = query(view, "SELECT cycle, name, summary FROM steps ORDER BY cycle, position")
    if as_json:
        out_json({"cycles": cycles.to_dicts(), "steps": steps.to_dicts()})
    else:
        table(cycles.columns, cycles.rows())
        out("")
        table(steps.columns, steps.rows())
    next_command(f"regrind cycle run -w {sh(workspace)}")
