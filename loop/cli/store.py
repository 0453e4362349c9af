"""Commands on the store: sql and explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, table


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(sql)
    app.command()(explain)


def sql(
    statement: Annotated[str, typer.Argument(help="A reading SQL statement; docs/sql.md has examples.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Ask the published copy of the store; it never blocks a running cycle.

    Example: regrind sql -w my-loop "select * from low_scores limit 5"
    """
    from loop.store import query

    found = query(open_workspace(workspace).view, statement)
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, found.rows())
    next_command(f"regrind explain -w {sh(workspace)} ROW_OR_TRACE_ID")


def explain(
    identity: Annotated[str, typer.Argument(help="Id of a row or a trace, or how it begins.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """The whole story of a row: source line, drop, trace, verdict, correction, snapshots, models.

    Example: regrind explain -w my-loop 5c1e
    """
    from loop.explain import explain as tell
    from loop.explain import story

    found = tell(open_workspace(workspace), identity)
    if as_json:
        out_json(found)
    else:
        for line in story(found):
            out(line)
    next_command(f'regrind sql -w {sh(workspace)} "select * from row_history limit 5"')
