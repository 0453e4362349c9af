"""Commands on the store: sql, explain and publish."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, table, told


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sql)
    app.command()(explain)
    app.command()(publish)


def sql(
    statement: Annotated[str, typer.Argument(help="A reading SQL statement; docs/sql.md has examples.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Ask the published copy of the store, and say how old it is; it never blocks a running cycle.

    Example: regrind sql -w my-loop "select * from low_scores limit 5"
    """
    from loop.store import age, query

    space = open_workspace(workspace)
    found = query(space.view, statement)
    told().say(f"copy of the store from {age(space.view)} ago")
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, found.rows())
    next_command(f"regrind explain -w {sh(workspace)} ID")


def explain(
    identity: Annotated[
        str,
        typer.Argument(help="Id of a row, trace or snapshot, or how it begins; v2 or NAME:2 for a model."),
    ],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """The whole story of a row, a trace, a snapshot or a model: where it came from, and what became of it.

    Example: regrind explain -w my-loop 5c1e
    """
    from loop.explain import explain as tell
    from loop.story import story

    found = tell(open_workspace(workspace), identity)
    if as_json:
        out_json(found)
    else:
        for line in story(found):
            out(line)
    next_command(f'regrind sql -w {sh(workspace)} "select * from row_history limit 5"')


def publish(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait while the store is in use.")] = 30.0,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Bring imported traces that wait in the spool into the store, and publish its copy anew.

    Example: regrind publish -w my-loop
    """
    from loop.arrivals import drain
    from loop.store import publish as copy

    space = open_workspace(workspace)
    done = drain(space.store, space.arrivals, patience=wait)
    copy(space.store, space.view, patience=wait)
    if as_json:
        out_json({"view": str(space.view), "stored": done._asdict()})
    else:
        out(f"{space.view}: {done.traces} traces and {done.labels} labels came in")
    next_command(f'regrind sql -w {sh(workspace)} "select * from usage"')
