"""Commands to begin with: demo, init, check, doctor."""

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


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(demo)
    app.command()(init)
    app.command()(check)
    app.command()(doctor)


def demo(
    folder: Annotated[Path, typer.Argument(help="Workspace to make, or to go on with.")] = Path(
        "regrind-demo"
    ),
    judge: Annotated[str, typer.Option(help="Who judges: reference (offline) or anthropic.")] = "reference",
    as_json: AsJson = False,
) -> None:
    """Run the whole loop on shipped data and an embedded model, offline.

    Example: regrind demo
    """
    from loop.demo import run_demo
    from loop.summary import render

    summary = run_demo(folder, judge, told())
    if as_json:
        out_json(summary)
    else:
        render(summary, out, table)
    row = summary["example_row"]
    snapshots = " ".join(entry["id"] for entry in summary["snapshots"])
    next_command(
        f'regrind sql -w {sh(folder)} "select * from score_by_model"',
        f"regrind explain -w {sh(folder)} {row}",
        f"regrind snapshot diff -w {sh(folder)} {snapshots}",
    )


def init(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Make a workspace: a commented regrind.toml, rubrics, and a data folder.

    Example: regrind init my-loop
    """
    from loop.scaffold import scaffold

    for path in scaffold(folder):
        out(str(path))
    next_command(
        f"put seed.jsonl, heldout.jsonl and pool.jsonl into {sh(folder / 'data')}",
        f"regrind check -w {sh(folder)}",
    )


def check(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Check the configuration, the rubrics and every input file; change nothing.

    Example: regrind check -w my-loop
    """
    from loop.check import check_workspace

    report = check_workspace(open_workspace(workspace))
    if as_json:
        out_json(report)
    else:
        table(
            ["file", "rows", "rejected", "errors", "warnings"],
            [list(entry.values()) for entry in report["files"]],
        )
        for line in report["messages"]:
            out(line)
    if report["errors"]:
        next_command("correct the lines above; `regrind curate validate FILE` shows every finding")
        raise typer.Exit(EXIT_HELD)
    next_command(f"regrind cycle run -w {sh(workspace)}")


def doctor(as_json: AsJson = False) -> None:
    """Say what this machine has and lacks.

    Example: regrind doctor
    """
    from loop.doctor import examine

    found = examine()
    if as_json:
        out_json(found)
    else:
        table(["what", "state", "to do"], [(f["what"], f["state"], f["fix"]) for f in found])
    next_command("regrind demo")
