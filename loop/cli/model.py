"""Commands `regrind model …`: versions, answers and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, table, told

app = typer.Typer(help="List, try and evaluate versions of the model.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(min=0, help="Version; 0 is the base.")]


@app.command(name="list")
def list_models(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """All versions, with their snapshot and status.

    Example: regrind model list -w my-loop
    """
    from loop.store import query

    sql = "SELECT name, version, status, snapshot, base, created FROM models ORDER BY name, version"
    found = query(open_workspace(workspace).view, sql)
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, found.rows())
    next_command(f"regrind model generate -w {sh(workspace)} VERSION TEXT")


@app.command()
def prepare(
    name: Annotated[
        str, typer.Argument(help="The embedded model, a folder or a hub id.")
    ] = "smollm2-135m-instruct",
) -> None:
    """Find a base model, convert it when that is needed, and say where it lies.

    Example: regrind model prepare
    """
    from loop.models import cache
    from training.embedded import find_model

    out(str(find_model(name, cache())))
    next_command("regrind demo")


@app.command()
def generate(
    version: Number,
    text: Annotated[str, typer.Argument(help="What the user says.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Let a version answer.

    Example: regrind model generate -w my-loop 1 "Is this safe?"
    """
    from loop.lookup import known_version
    from loop.models import answer, load_version

    space = open_workspace(workspace)
    loaded = load_version(space, known_version(space, version))
    (given,) = answer(space, loaded, [[{"role": "user", "content": text}]], told(quiet=True), "")
    if as_json:
        out_json({"version": version, "output": given.text, "finish_reason": given.finish_reason})
    else:
        out(given.text)
    next_command(f"regrind model evaluate -w {sh(workspace)} {version}")


@app.command()
def evaluate(version: Number, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Score a version on the held-out sets, with 95% intervals.

    Example: regrind model evaluate -w my-loop 1
    """
    from loop.evaluation import evaluate as score
    from loop.heldout import read_heldout
    from loop.lookup import known_version
    from loop.store import insert
    from loop.summary import score_rows
    from loop.writer import working

    space = open_workspace(workspace)
    known_version(space, version)
    progress = told()
    with working(space) as save:
        sets = list(zip(space.config.heldout, read_heldout(space), strict=True))
        rows = score(space, version, sets, progress)
        progress.end(f"{rows.height} answers scored")
        save(lambda connection: insert(connection, "evaluations", rows, known="replace"))
    scores = score_rows(rows)
    if as_json:
        out_json(scores)
    else:
        table(list(scores[0]), [list(entry.values()) for entry in scores])
    next_command(f'regrind sql -w {sh(workspace)} "select * from score_by_model"')
