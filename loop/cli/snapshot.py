"""Commands `regrind snapshot …`: what is in a training set, and what changed."""

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
)

app = typer.Typer(help="Read snapshots: list, show, diff, verify.", no_args_is_help=True)

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
    if as_json:
        out_json(found.to_dicts())
    else:
        table(found.columns, found.rows())
    next_command(f"regrind snapshot show -w {sh(workspace)} ID")


@app.command()
def show(identity: Identity, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """The data card of a snapshot.

    Example: regrind snapshot show -w my-loop 3f2a
    """
    import msgspec

    from curation.snapshot import read_manifest
    from loop.lookup import snapshot_folder

    folder = snapshot_folder(open_workspace(workspace), identity)
    if as_json:
        out_json(msgspec.to_builtins(read_manifest(folder)))
    else:
        out((folder / "README.md").read_text(encoding="utf8"))
    next_command(f"regrind snapshot verify -w {sh(workspace)} {folder.name}")


@app.command()
def diff(
    a: Annotated[str, typer.Argument(help="The older snapshot.")],
    b: Annotated[str, typer.Argument(help="The newer snapshot.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Rows that were added, removed or moved to another split between two snapshots.

    Example: regrind snapshot diff -w my-loop 3f2a 91bc
    """
    from curation.rows import answer_text
    from curation.snapshot import diff as compare
    from loop.lookup import snapshot_folder

    space = open_workspace(workspace)
    change = compare(snapshot_folder(space, a), snapshot_folder(space, b))
    frames = {"added": change.added, "removed": change.removed, "moved": change.moved}
    if as_json:
        out_json({name: frame.to_dicts() for name, frame in frames.items()})
        return
    for name, frame in frames.items():
        out(f"{name}: {frame.height}")
    added = change.added
    origins = added["tags"].list.last().fill_null("none").value_counts(sort=True).rows()
    out("added, by last tag: " + (", ".join(f"{n} {tag}" for tag, n in origins) or "none"))
    table(
        ["row", "split", "source", "answer"],
        [
            (r["id"], r["split"], r["source"], answer_text(r["messages"]))
            for r in added.head(5).iter_rows(named=True)
        ],
    )
    if added.height:
        next_command(f"regrind explain -w {sh(workspace)} {added['id'][0]}")


@app.command()
def verify(identity: Identity, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Check every file of a snapshot against its manifest; exit 3 when something changed.

    Example: regrind snapshot verify -w my-loop 3f2a
    """
    from curation.snapshot import verify as find_faults
    from loop.lookup import snapshot_folder

    folder = snapshot_folder(open_workspace(workspace), identity)
    faults = find_faults(folder)
    if as_json:
        out_json({"snapshot": folder.name, "faults": faults})
    else:
        out("\n".join(faults) or f"snapshot {folder.name} is as it was written")
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
    next_command(f"regrind snapshot show -w {sh(workspace)} {folder.name}")
