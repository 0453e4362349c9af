"""Commands `regrind curate …`: a file in, a file out; no workspace is needed but for `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli import validate
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
from loop.cli.files import STANDARD, Input, Output, Shape, beside, demand_distinct, only_rows, write

if TYPE_CHECKING:
    import polars as pl

    from curation.steps import Curated, Step

app = typer.Typer(help="Prepare data: validate, deduplicate, redact, select, augment.", no_args_is_help=True)
validate.add_to(app)

Drops = Annotated[Path | None, typer.Option(help="JSONL file for what was dropped, why, and for which row.")]
Seed = Annotated[int, typer.Option(help="Of the random choices.")]


@app.command()
def dedup(
    file: Input,
    output: Output,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="Smallest Jaccard similarity.")] = 0.8,
    conflicts: Annotated[str, typer.Option(help="report, keep_best, keep_all or drop_all.")] = "report",
    drops: Drops = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Drop exact, normalised and near duplicates; list rows with one prompt and two answers.

    Example: regrind curate dedup seed.jsonl -o clean.jsonl --drops drops.jsonl
    """
    from typing import get_args

    from curation.dedup import Policy
    from curation.steps import Dedup

    if conflicts not in get_args(Policy):
        raise typer.BadParameter(f"one of {', '.join(get_args(Policy))}", param_hint="--conflicts")
    step = Dedup(threshold, conflicts)  # type: ignore[arg-type]
    state = run_on(only_rows(file, shape), (file, output, drops), step, as_json=as_json)
    if not as_json and output != STANDARD:
        for c in state.conflicts.iter_rows(named=True):
            a, b = f"{c['source']}:{c['line']}", f"{c['partner_source']}:{c['partner_line']}"
            out(f"conflict: {a} answers {c['answer']!r}, {b} answers {c['partner_answer']!r}")


@app.command(name="run")
def run_recipe(workspace: WorkspaceDir = Path(), as_json: AsJson = False) -> None:
    """Run the [[curate.step]] list of regrind.toml on the seed files and write a snapshot.

    Example: regrind curate run -w my-loop
    """
    import msgspec

    from loop.lock import only_one
    from loop.snapshots import record
    from loop.steps.curate import curate
    from loop.store import publish, transaction

    space = open_workspace(workspace)
    with only_one(space.lock):
        manifest, rejected = curate(space, told())
        with transaction(space.store) as connection:
            record(connection, space.snapshots / manifest.id, manifest, 0)
        publish(space.store, space.view)
    if as_json:
        out_json(msgspec.to_builtins(manifest) | {"rejected": rejected})
    else:
        out(f"snapshot {manifest.id}")
        table(
            ["step", "in", "out", "dropped"],
            [(t.step, t.rows_in, t.rows_out, _why(t.dropped)) for t in manifest.steps],
        )
    next_command(
        f"regrind snapshot show -w {sh(workspace)} {manifest.id}", f"regrind train run -w {sh(workspace)}"
    )


def run_on(
    rows: pl.DataFrame, files: tuple[Path, Path, Path | None], step: Step, *, as_json: bool
) -> Curated:
    """One step on the rows of a file, into a file; where they go to stdout, the rest is told on stderr."""
    from curation.steps import begin, run_step

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
