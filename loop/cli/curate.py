"""Commands `regrind curate …`: a file in, a file out; no workspace is needed but for `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli import dedup, validate
from loop.cli.common import (
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
from loop.cli.files import beside, demand_distinct, write

if TYPE_CHECKING:
    import polars as pl

    from curation.recipe import Step
    from curation.state import Curated

app = typer.Typer(help="Prepare data: validate, deduplicate, redact, select, augment.", no_args_is_help=True)
validate.add_to(app)
dedup.add_to(app)

LISTED = 10

Drops = Annotated[Path | None, typer.Option(help="JSONL file for what was dropped, why, and for which row.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the random choices.")]


@app.command(name="run")
def run_recipe(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Run the [[curate.step]] list of regrind.toml on the seed files and write a snapshot.

    Example: regrind curate run -w my-loop
    """
    import msgspec

    from curation.stored import read_table
    from loop.snapshots import record
    from loop.steps.curate import run_recipe as run_configured
    from loop.writer import working

    space = open_workspace(workspace)
    with working(space) as save:
        manifest, rejected = run_configured(space, told())
        save(lambda connection: record(connection, space.snapshots / manifest.id, manifest, 0))
    if as_json:
        out_json(msgspec.to_builtins(manifest) | {"rejected": rejected})
    else:
        out(f"snapshot {manifest.id}")
        table(
            ["step", "in", "out", "dropped"],
            [(t.step, t.rows_in, t.rows_out, _why(t.dropped)) for t in manifest.steps],
        )
        folder = space.snapshots / manifest.id
        for line in held_out(read_table(folder, "drops"), LISTED):
            out(line)
        out(f"every dropped row, with the reason: {folder / 'drops.parquet'}")
    next_command(
        f"regrind snapshot show -w {sh(workspace)} {manifest.id}", f"regrind train run -w {sh(workspace)}"
    )


def held_out(drops: pl.DataFrame, most: int) -> list[str]:
    """Lines on the rows that a held-out set or a family of two splits kept out: where, why, and what for."""
    found = drops.filter(drops["step"].is_in(["heldout", "split"]))
    lines = [
        f"left out: {_place(d['source'], d['line'])}: {d['reason']}"
        + (f", {_place(d['partner_source'], d['partner_line'])}" if d["partner_id"] else "")
        + (f", similarity {d['similarity']:.2f}" if d["similarity"] is not None else "")
        + (f": {d['detail']}" if d["detail"] else "")
        for d in found.head(most).iter_rows(named=True)
    ]
    rest = found.height - most
    return [*lines, *([f"left out: {rest} more such rows"] if rest > 0 else [])]


def _place(source: str | None, line: int | None) -> str:
    return f"{source} line {line}" if line else str(source)


def run_on(
    rows: pl.DataFrame, files: tuple[Path, Path, Path | None], step: Step, *, as_json: bool
) -> Curated:
    """One step on the rows of a file, into a file; where they go to stdout, the rest is told on stderr."""
    from curation.state import begin
    from curation.steps import run_step

    _, output, drops = files
    demand_distinct(*files)
    state = run_step(begin(rows), step)
    notes = [f"{about}: {value}" for about, value in state.tallies[-1].notes.items()]
    finish(state, output, drops, notes, as_json=as_json)
    return state


def finish(state: Curated, output: Path, drops: Path | None, notes: list[str], *, as_json: bool) -> None:
    """Write the rows of a step and its drops; tell its tally, and `notes` where it is text."""
    import msgspec

    write(state.rows, output, (state.drops, drops))
    tally = state.tallies[-1]
    with beside(output):
        if as_json:
            out_json(msgspec.to_builtins(tally) | {"conflicts": state.conflicts.to_dicts()})
        else:
            out(f"{tally.rows_in} rows in, {tally.rows_out} out: {_why(tally.dropped)}")
            for note in notes:
                out(note)
    next_command(f"regrind curate validate {sh(output)}")


def _why(dropped: dict[str, int]) -> str:
    return "; ".join(f"{n} {reason}" for reason, n in dropped.items()) or "none dropped"
