"""Commands `regrind cycle …`: run the loop, go on after a crash, one step at a time, see how it went."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli import schedule
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

if TYPE_CHECKING:
    from loop.opening import Asked

Wait = Annotated[
    float, typer.Option(min=0, help="Seconds to wait each time that another program holds the store.")
]
WAIT = 3600.0
"""As `loop.opening.WAIT`, whose import would load the store's libraries for `--help`."""
app = typer.Typer(help="Run the loop.", no_args_is_help=True)
app.command()(schedule.schedule)


@app.command()
def run(
    workspace: WorkspaceDir = Path(),
    again: Annotated[bool, typer.Option(help="Run a cycle even when nothing has changed.")] = False,
    restart: Annotated[bool, typer.Option(help="Abandon an interrupted cycle and begin anew.")] = False,
    from_step: Annotated[
        str, typer.Option("--from", help="Do the last cycle anew from this step on.", show_default=False)
    ] = "",
    dry_run: Annotated[
        bool, typer.Option(help="Say what it would do, with rows, calls and cost; do nothing.")
    ] = False,
    wait: Wait = WAIT,
    as_json: AsJson = False,
) -> None:
    """Run the next cycle, or go on with an interrupted one; exit 3 when the gate held the model.

    The first cycle makes a snapshot of the seed files, trains on it and puts the model before the
    gate. Every later one takes in imported traces, lets production answer the pool, judges and
    corrects the answers, and retrains on what was learned. When nothing has changed since the last
    cycle, nothing is done.

    Example: regrind cycle run -w my-loop
    """
    if dry_run and (restart or from_step):
        raise typer.BadParameter("it foretells the next cycle, not one with --restart or --from")
    if dry_run:
        _forecast(workspace, again=again, as_json=as_json)
        return
    from loop.opening import Asked

    _run(workspace, Asked(again=again, restart=restart, from_step=from_step, wait=wait), as_json=as_json)


@app.command()
def resume(workspace: WorkspaceDir = Path(), wait: Wait = WAIT, as_json: AsJson = False) -> None:
    """Go on with the cycle that was interrupted, at its first unfinished step; begin none.

    Example: regrind cycle resume -w my-loop
    """
    from loop.opening import Asked

    _run(workspace, Asked(resume=True, wait=wait), as_json=as_json)


@app.command()
def step(
    name: Annotated[str, typer.Argument(help="Name of the step, such as judge.")],
    workspace: WorkspaceDir = Path(),
    wait: Wait = WAIT,
    as_json: AsJson = False,
) -> None:
    """Run one step of the cycle, for a scheduler that calls them one by one; done already, it does nothing.

    The first step begins the cycle, the last one ends it. Exit 3 when the gate held the model.

    Example: regrind cycle step judge -w my-loop
    """
    from loop.opening import Asked

    _run(workspace, Asked(only=name, wait=wait), as_json=as_json)


def _run(root: Path, asked: Asked, *, as_json: bool) -> None:
    from loop.cycle import run_cycle
    from loop.summary import render, summarise

    space = open_workspace(root)
    ran, only = run_cycle(space, told(), asked), asked.only
    summary = summarise(space) | {"cycle": ran.cycle.id, "steps_run": ran.steps}
    if as_json:
        out_json(summary)
    elif ran.steps and not only:
        render(summary, out, table)
    elif ran.steps:
        out(f"cycle {ran.cycle.id}: {only} is done")
    elif only:
        out(f"cycle {ran.cycle.id}: {only} was done already: nothing done")
    else:
        out(f"nothing has changed since cycle {ran.cycle.id}: nothing done (--again runs one all the same)")
    next_command(f"regrind cycle status -w {sh(root)}", f"regrind cycle run -w {sh(root)}")
    if ran.held:
        raise typer.Exit(EXIT_HELD)


def _forecast(root: Path, *, again: bool, as_json: bool) -> None:
    from loop.forecast import forecast

    found = forecast(open_workspace(root), again=again)
    if as_json:
        out_json(found)
    elif found["state"] == "nothing":
        out(
            f"nothing has changed since cycle {found['cycle']}: nothing to do (--again runs one all the same)"
        )
    else:
        out(f"cycle {found['cycle']} ({found['kind']}, {found['state']}): {', '.join(found['steps'])}")
        for line in found["changed"]:
            out(f"  changed: {line}")
        if "calls" in found:
            cost = "not known" if found["cost"] is None else f"at most ${found['cost']:.4f}"
            out(f"rows to judge: {found['prompts']} prompts of the pool, {found['traces']} imported traces")
            out(
                f"calls to the judge: at most {found['calls']} ({found['cached']} answers are judged already)"
            )
            out(f"tokens to read: at most {found['input_tokens']} ({found['tokens_are']}); cost: {cost}")
    next_command(f"regrind cycle run -w {sh(root)}")


@app.command()
def status(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """The last cycle and its steps, and the last look of the schedule.

    Example: regrind cycle status -w my-loop
    """
    from loop.store import query

    space = open_workspace(workspace)
    found = {name: query(space.view, sql, {"model": space.config.model}) for name, sql in STATUS.items()}
    if as_json:
        out_json({name: rows.to_dicts() for name, rows in found.items()})
    else:
        for rows in found.values():
            if rows.height:
                table(rows.columns, rows.rows())
                out("")
    next_command(f"regrind cycle run -w {sh(workspace)}", f"regrind cycle history -w {sh(workspace)}")


@app.command()
def history(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Every cycle: when, how long, its traces and their mean score, its snapshot, what the gate decided.

    Example: regrind cycle history -w my-loop
    """
    from loop.store import query

    found = query(open_workspace(workspace).view, HISTORY)
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, found.rows())
    next_command(f"regrind cycle status -w {sh(workspace)}")


LAST = "(SELECT max(id) FROM cycles WHERE model = $model)"
STATUS = {
    "cycles": f"SELECT id, kind, state, started, finished, key FROM cycles WHERE id = {LAST}",
    "steps": "SELECT name, summary, finished - started AS took FROM steps"
    f" WHERE cycle = {LAST} ORDER BY position",
    "ticks": "SELECT due, process, coalesce(outcome, 'no end') AS outcome, detail, cycle FROM ticks"
    " WHERE model = $model ORDER BY due DESC LIMIT 1",
}

HISTORY = """
SELECT c.id, c.kind, c.state, c.started, c.finished - c.started AS took, count(s.name) AS steps,
       any_value(s.outputs->>'mean_score')::DOUBLE AS mean_score,
       any_value(s.outputs->>'snapshot') FILTER (s.name IN ('curate', 'merge')) AS snapshot,
       any_value(p.candidate) FILTER (s.name = 'gate') AS candidate,
       any_value(p.decision) FILTER (s.name = 'gate') AS decision
FROM cycles c LEFT JOIN steps s ON s.cycle = c.id
LEFT JOIN (FROM promotions QUALIFY row_number() OVER (PARTITION BY cycle ORDER BY id DESC) = 1) p
ON p.cycle = c.id
GROUP BY c.id, c.kind, c.state, c.started, c.finished ORDER BY c.id"""
