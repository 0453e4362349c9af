"""Commands `regrind snapshot …`: what is in a training set, and what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import (
    EXIT_HELD,
    AsJson,
    WorkspaceDir,
    markdown_table,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
)

app = typer.Typer(help="Read snapshots: list, show, log, diff, verify, export.", no_args_is_help=True)

Identity = Annotated[str, typer.Argument(help="Id of a snapshot, or how it begins.")]


@app.command(name="list")
def list_snapshots(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """All snapshots, oldest first.

    Example: regrind snapshot list -w my-loop
    """
    from loop.store import query

    space = open_workspace(workspace)
    found = query(
        space.view,
        "SELECT id, parent, cycle, train, validation, test, created FROM snapshots ORDER BY created",
    )
    told = [row | {"there": (space.snapshots / row["id"]).exists()} for row in found.to_dicts()]
    if as_json:
        out_json(told)
    else:
        table([*found.columns, "there"], [list(row.values()) for row in told])
    next_command(f"regrind snapshot show -w {sh(workspace)} ID")


@app.command()
def show(identity: Identity, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """The data card of a snapshot.

    Example: regrind snapshot show -w my-loop 3f2a
    """
    import msgspec

    from curation.manifest import read_manifest
    from loop.lookup import snapshot_folder

    folder = snapshot_folder(open_workspace(workspace), identity)
    if as_json:
        out_json(msgspec.to_builtins(read_manifest(folder)))
    else:
        out((folder / "README.md").read_text(encoding="utf8"))
    next_command(f"regrind snapshot verify -w {sh(workspace)} {folder.name}")


@app.command()
def log(identity: Identity, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """A snapshot and those that it grew from, the newest first.

    Example: regrind snapshot log -w my-loop 91bc
    """
    from curation.manifest import chain, missing_parent
    from loop.cli.difference import by_split
    from loop.lookup import snapshot_folder

    folder = snapshot_folder(open_workspace(workspace), identity)
    manifests = chain(folder)
    lines = [
        {
            "id": m.id,
            "rows": sum(m.splits.values()),
            "splits": m.splits,
            "inputs": m.steps[0].rows_in if m.steps else 0,
            "dropped": sum(sum(tally.dropped.values()) for tally in m.steps),
            "parent": m.parent,
        }
        for m in manifests
    ]
    if as_json:
        out_json(lines)
    else:
        shown = [line | {"splits": by_split(m)} for line, m in zip(lines, manifests, strict=True)]
        table(list(lines[0]), [list(line.values()) for line in shown])
    if (lost := missing_parent(folder, manifests[-1])) and not as_json:
        out(f"snapshot {lost} is not there any more: what it grew from cannot be told")
    next_command(f"regrind snapshot show -w {sh(workspace)} {manifests[0].id}")


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="The older snapshot.")],
    b: Annotated[str, typer.Argument(help="The newer snapshot.")],
    workspace: WorkspaceDir = Path(),
    markdown: Annotated[bool, typer.Option("--md", help="Print Markdown, for a pull request.")] = False,
    as_json: AsJson = False,
) -> None:
    """Rows that were added, removed (with the reason), answered anew, changed in other fields, or moved.

    Example: regrind snapshot diff -w my-loop 3f2a 91bc
    """
    from curation.difference import diff as compare
    from curation.manifest import read_manifest
    from loop.cli.difference import in_short, sections
    from loop.lookup import snapshot_folder

    space = open_workspace(workspace)
    older, newer = snapshot_folder(space, a), snapshot_folder(space, b)
    change = compare(older, newer)
    if as_json:
        out_json({name: frame.to_dicts() for name, frame in change._asdict().items()})
        return
    out(f"{'# ' if markdown else ''}snapshot {newer.name} against {older.name}")
    out(f"\n{in_short(read_manifest(older), read_manifest(newer), change)}")
    for title, headers, rows in sections(change):
        out(f"\n{'## ' if markdown else ''}{title}")
        if markdown and rows:
            out("")
        if rows:
            (markdown_table if markdown else table)(headers, rows)
    changed = [*change.added["id"].head(1), *change.changed["id_new"].head(1)]
    if changed:
        next_command(f"regrind explain -w {sh(workspace)} {changed[0]}")


@app.command()
def verify(identity: Identity, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Check every file of a snapshot against its manifest; exit 3 when something changed.

    Example: regrind snapshot verify -w my-loop 3f2a
    """
    from curation.manifest import decode, missing_parent
    from curation.verify import verify as find_faults
    from loop.lookup import snapshot_folder

    folder = snapshot_folder(open_workspace(workspace), identity)
    faults, lost = find_faults(folder), missing_parent(folder, decode(folder))
    if as_json:
        out_json({"snapshot": folder.name, "faults": faults, "missing_parent": lost})
    else:
        out("\n".join(faults) or f"snapshot {folder.name} is as it was written")
        if lost:
            out(f"its parent {lost} is not there any more; its rows are here")
    next_command(f"regrind snapshot list -w {sh(workspace)}")
    if faults:
        raise typer.Exit(EXIT_HELD)


@app.command()
def export(
    identity: Identity,
    to: Annotated[
        str,
        typer.Option(
            help="openai, trl, axolotl, llama-factory, alpaca, sharegpt, prompt-completion, parquet or "
            "huggingface."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write; there must be none.")],
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Leave out, and list, rows that the format cannot hold.")
    ] = False,
    licence: Annotated[str | None, typer.Option("--license", help="For the data card, such as mit.")] = None,
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a snapshot's rows for another tool: a folder with a file for each split.

    Example: regrind snapshot export -w my-loop 3f2a --to openai -o for-openai
    """
    from curation.handover import EVERY, LEFT_OUT, hand_over
    from loop.lookup import snapshot_folder

    if to not in EVERY:
        raise typer.BadParameter(f"use {', '.join(EVERY)}", param_hint="--to")
    folder = snapshot_folder(open_workspace(workspace), identity)
    done = hand_over(folder, output, to, leave_out=leave_out, licence=licence)
    if as_json:
        out_json({"snapshot": folder.name, "format": to} | done._asdict())
    else:
        out(", ".join(f"{count} {split}" for split, count in done.rows.items()) + f" rows in {output}")
        if done.left_out:
            out(f"{len(done.left_out)} rows left out: {output / LEFT_OUT}")
        if done.unheld:
            told = ", ".join(f"{name} of {count} rows" for name, count in done.unheld.items())
            out(f"{to} has no place for these fields, which are in the snapshot only: {told}")
    next_command(f"regrind snapshot show -w {sh(workspace)} {folder.name}")
