"""Commands `regrind trace list` and `show`: traces to look at."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003  (typer reads the annotation)
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli.common import (
    AsJson,
    WorkspaceDir,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    visible,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 60
TIMES = ["%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S"]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="list")(list_traces)
    app.command()(show)


def list_traces(
    below: Annotated[float | None, typer.Option(help="A judge scored it below.")] = None,
    above: Annotated[float | None, typer.Option(help="No judge scored it below.")] = None,
    cycle: Annotated[int | None, typer.Option(help="Of this cycle.")] = None,
    model: Annotated[str | None, typer.Option(help="Said by this model.")] = None,
    user: Annotated[str | None, typer.Option(help="Said to this user.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    since: Annotated[datetime | None, typer.Option(formats=TIMES, help="Not before, in UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(formats=TIMES, help="Before, in UTC.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = 20,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """List traces, the newest first, from the published copy; all conditions must hold.

    Example: regrind trace list -w my-loop --below 0.7 --cycle 2
    """
    from loop.trace_list import Wanted, listed

    wanted = Wanted(below, above, cycle, model, user, tag, since, until)
    found = listed(open_workspace(workspace).view, wanted, limit)
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, [[_short(value) for value in row] for row in found.rows()])
    next_command(f"regrind trace show -w {sh(workspace)} {found['id'][0] if found.height else 'ID'}")


def show(
    identity: Annotated[str, typer.Argument(help="Id of the trace, or how it begins.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """One trace whole: prompt, answer, verdicts, labels, corrections, and the rows that it became.

    Example: regrind trace show -w my-loop 5c1e
    """
    from loop.trace_list import shown

    found = shown(open_workspace(workspace).view, identity)
    if as_json:
        out_json(found)
    else:
        for line in _lines(found):
            out(visible(line))
    next_command(f"regrind explain -w {sh(workspace)} {found['traces'][0]['id']}")


def _lines(found: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    (trace,) = found["traces"]
    yield f"trace {trace['id']}"
    for name, value in trace.items():
        if name not in {"id", "messages", "output"} and value not in (None, []):
            yield f"  {name}: {value}"
    for turn in json.loads(trace["messages"]):
        yield f"{turn['role']}: {turn['content']}"
    yield f"answer: {trace['output']}"
    for name in ("verdicts", "labels", "corrections", "payloads", "snapshots"):
        for row in found[name]:
            told = ", ".join(f"{key} {value}" for key, value in row.items() if value not in (None, "", []))
            yield f"{name.removesuffix('s')}: {told}"


def _short(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    text = visible(",".join(value) if isinstance(value, list) else str(value))
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
