"""Commands `regrind trace …`: what models said elsewhere in, training data and verdicts out, and deletion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from loop.cli import trace_seen
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
from loop.cli.files import demand_distinct

if TYPE_CHECKING:
    from loop.entering import Drained
    from loop.imports.run import Imported

app = typer.Typer(help="Import, look at, export and delete traces.", no_args_is_help=True)
trace_seen.add_to(app)

Files = Annotated[
    list[Path], typer.Argument(help="JSONL, JSON, .gz, .zst or OTLP protobuf; - is standard input.")
]
SHOWN = 10


@app.command(name="import")
def import_traces(
    files: Files,
    form: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="otlp, openinference, langfuse, openai, flywheel or jsonl; recognised unless given.",
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Name that event ids are unique under; the format's unless given.")
    ] = None,
    rejects: Annotated[Path | None, typer.Option(help="JSONL file for what could not be read.")] = None,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait while the store is in use.")] = 30.0,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Import traces with their ratings and feedback; personal data are replaced before anything is kept.

    The same file again changes nothing. What could not be read is told; exit 3 when there is any. While
    another program has the store open for writing, what was read waits in the spool.

    Example: regrind trace import -w my-loop spans.jsonl --from otlp
    """
    from loop.imports.run import import_files

    demand_distinct(*files, rejects)
    space = open_workspace(workspace)
    done = import_files(space, files, told(), form=form, source=source, patience=wait)
    _write_rejects(done, rejects)
    if as_json:
        out_json(_as_json(done))
    else:
        _tell(done)
    if done.held:
        next_command(f"close that program, then: regrind publish -w {sh(workspace)}")
    else:
        next_command(f"regrind judge run -w {sh(workspace)} --traces \"origin = 'import'\"")
    if done.rejects:
        raise typer.Exit(EXIT_HELD)


def _write_rejects(done: Imported, path: Path | None) -> None:
    import polars as pl

    from loop.cli.files import write_lines

    names = ["source", "line", "reason", "text"]
    rows = [(source, *reject) for source, reject in done.rejects]
    write_lines(
        pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String) | {"line": pl.Int64}, orient="row"), path
    )


def _as_json(done: Imported) -> dict[str, Any]:
    found = {
        "formats": done.formats,
        "calls": done.calls,
        "labels": done.labels,
        "skipped": dict(done.skipped),
    }
    found |= {"rejected": len(done.rejects), "unmapped": dict(done.unmapped.most_common())}
    found |= {"requests": done.runs, "not_kept": dict(done.lost.most_common())}
    return found | {"stored": done.drained._asdict() if done.drained else None, "held": done.held or None}


def _tell(done: Imported) -> None:
    for path, form in done.formats.items():
        out(f"{path}: {form}")
    runs = f", {done.runs} whole requests" if done.runs else ""
    out(f"{done.calls} model calls, {done.labels} labels{runs} read")
    for what, count in done.skipped.most_common():
        out(f"  skipped: {count} {what}")
    for source, reject in done.rejects[:SHOWN]:
        out(f"  rejected: {source}:{reject.line}: {reject.reason}")
    if len(done.rejects) > SHOWN:
        out(f"  and {len(done.rejects) - SHOWN} more rejected (--rejects lists them)")
    for what, found in (("kept in the payload only", done.unmapped), ("skipped, and not kept", done.lost)):
        if found:
            out(f"  {what}: {', '.join(f'{path} ({count})' for path, count in found.most_common(SHOWN))}")
    if done.drained:
        _tell_stored(done.drained)
    else:
        out(f"{done.held}: what was read waits in the spool")


def _tell_stored(drained: Drained) -> None:
    changed = f", {drained.changed} labels changed" if drained.changed else ""
    out(f"stored: {drained.traces} new, {drained.known} known, {drained.labels} labels{changed}")
    if drained.apart:
        out(f"  {drained.apart} labels are of calls that are not in the store: import these, too")


@app.command()
def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    to: Annotated[str, typer.Option(help="chat, preferences, evaluations (OTLP) or parquet.")] = "chat",
    where: Annotated[
        str, typer.Option(help="Traces for which this SQL condition holds, such as 'cycle = 2'.")
    ] = "true",
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Write traces for another tool, from the published copy of the store.

    chat: prompt and answer as messages. preferences: the corrected answer as chosen, the model's as rejected.
    evaluations: every verdict as an OpenTelemetry event. parquet: the traces as they are stored.

    Example: regrind trace export -w my-loop --to preferences -o pairs.jsonl
    """
    from loop.exports import FORMS, TABLE, export_traces

    if to not in (*FORMS, TABLE):
        raise typer.BadParameter(f"use {', '.join(FORMS)} or {TABLE}", param_hint="--to")
    space = open_workspace(workspace)
    count = export_traces(space.view, output, to, where)
    if as_json:
        out_json({"format": to, "written": count, "output": str(output)})
    else:
        out(f"{count} written to {output}")
    next_command(f"regrind curate validate {sh(output)}" if to == "chat" else f"ls -l {sh(output)}")


@app.command()
def delete(
    user: Annotated[str | None, typer.Option(help="Everything of this user.")] = None,
    older_than: Annotated[
        int | None, typer.Option(min=0, max=100_000, help="Traces of more than so many days ago.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what it would delete; delete nothing.")] = False,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Delete traces with all that was said about them: verdicts, corrections, labels, payloads, kept replies.

    The store is written anew, so that no deleted text stays in its file. Snapshots and models are not
    touched: those that hold rows of these traces are listed. Deleted traces are not imported again.

    Example: regrind trace delete -w my-loop --user u-17
    """
    from loop.deletion import Choice, delete_traces

    if (user is None) == (older_than is None):
        raise typer.BadParameter("give --user or --older-than, one of them")
    done = delete_traces(open_workspace(workspace), Choice(user, older_than), dry_run=dry_run)
    if as_json:
        out_json(done._asdict())
    else:
        table(["what", "would be deleted" if dry_run else "deleted"], list(done.deleted.items()))
        for s in done.snapshots:
            out(f"snapshot {s['snapshot']} still has {s['rows']} rows made from them")
        for m in done.models:
            out(f"{m['name']} v{m['version']} ({m['status']}) was trained on snapshot {m['snapshot']}")
    next_command(f"regrind snapshot list -w {sh(workspace)}")
