"""Commands `regrind heldout …`: sets of evaluation items that no snapshot may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loop.cli.common import AsJson, WorkspaceDir, next_command, open_workspace, out, out_json, sh, table

app = typer.Typer(help="Register held-out sets, and see what is kept out.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Of the set: letters, digits, dots, dashes.")]


@app.command()
def add(
    name: Name,
    file: Annotated[Path, typer.Argument(help="Items with reference answers, in any form of rows.")],
    workspace: WorkspaceDir = Path(),
    as_json: AsJson = False,
) -> None:
    """Register a set, or its next version: from now on no snapshot holds its items, nor what is nearly one.

    Items are found by their hash, by near-duplicate prompts and by words in a row. Every version stays kept
    out. Scores on two versions of a set are not compared: evaluate again what is to be compared.

    Example: regrind heldout add safety heldout.jsonl -w my-loop
    """
    import re

    from loop.config import NAME
    from loop.heldout_sets import add_version, growth_of
    from loop.writer import working

    if not re.fullmatch(NAME, name):
        raise typer.BadParameter(
            "use letters, digits, dots, dashes and underscores; begin with a letter or digit",
            param_hint="NAME",
        )
    space = open_workspace(workspace)
    with working(space) as save:
        known = save(lambda connection: add_version(space, connection, name, file))
    told = growth_of(space, known)
    if as_json:
        out_json(told)
    else:
        out(f"held-out set {name}, version {known.number} ({known.held.version}): {told['items']} items")
        if known.number > 1:
            out(f"  {told['new']} new; {told['without']} earlier ones are not in it, but stay kept out")
            out("  scores on the versions before are not compared with scores on this one")
    next_command(f"regrind curate run -w {sh(workspace)}", f"regrind heldout show -w {sh(workspace)} {name}")


@app.command(name="list")
def list_sets(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Every registered version of every held-out set.

    Example: regrind heldout list -w my-loop
    """
    from curation.registry import registered
    from loop.heldout_sets import role_of

    space = open_workspace(workspace)
    found = [
        {
            "name": known.held.name,
            "version": known.number,
            "hash": known.held.version,
            "items": known.held.items.height,
            "role": role_of(space.config, known.held.name),
        }
        for known in registered(space.heldout)
    ]
    if as_json:
        out_json(found)
    elif found:
        table(list(found[0]), [list(entry.values()) for entry in found])
    else:
        out("no held-out set is registered; those of regrind.toml are, as soon as a snapshot is written")
    next_command(f"regrind heldout show -w {sh(workspace)} NAME")


@app.command()
def show(name: Name, workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """The versions of a set: what each brought, which snapshots kept it out, which models were scored on it.

    Example: regrind heldout show -w my-loop safety
    """
    from loop.heldout_sets import story

    found = story(open_workspace(workspace), name)
    if as_json:
        out_json(found)
    else:
        for entry in found:
            out(f"version {entry['version']} ({entry['hash']}): {entry['items']} items, {entry['new']} new")
            out(f"  kept out of {len(entry['snapshots'])} snapshots: {', '.join(entry['snapshots']) or '-'}")
            if entry["scores"]:
                table(
                    ["  model", "version", "items", "mean score"],
                    [(f"  {s['model']}", s["version"], s["items"], s["mean_score"]) for s in entry["scores"]],
                )
        if sum(bool(entry["scores"]) for entry in found) > 1:
            out("scores are compared within one version of the set only")
    next_command(f"regrind heldout list -w {sh(workspace)}")
