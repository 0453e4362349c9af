"""Commands `regrind curate …`: a file in, a file out; no workspace is needed but for `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli import validate
from loop.cli.common import (
    AsJson,
    WorkspaceDir,
    demand_distinct,
    next_command,
    only_rows,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    told,
)

if TYPE_CHECKING:
    from curation.steps import Curated, Step

app = typer.Typer(help="Prepare data: validate, deduplicate, redact, select, augment.", no_args_is_help=True)
validate.add_to(app)

Input = Annotated[Path, typer.Argument(help="JSONL file to read.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="JSONL file to write.")]
Drops = Annotated[Path | None, typer.Option(help="JSONL file for what was dropped, why, and for which row.")]
Seed = Annotated[int, typer.Option(help="Of the random choices.")]


@app.command()
def dedup(
    file: Input,
    output: Output,
    threshold: Annotated[float, typer.Option(min=0.01, max=1, help="Smallest Jaccard similarity.")] = 0.8,
    conflicts: Annotated[str, typer.Option(help="report, keep_best, keep_all or drop_all.")] = "report",
    drops: Drops = None,
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
    state = _run(file, output, Dedup(threshold, conflicts), drops, as_json=as_json)  # type: ignore[arg-type]
    if not as_json:
        for c in state.conflicts.iter_rows(named=True):
            a, b = f"{c['source']}:{c['line']}", f"{c['partner_source']}:{c['partner_line']}"
            out(f"conflict: {a} answers {c['answer']!r}, {b} answers {c['partner_answer']!r}")


@app.command()
def redact(file: Input, output: Output, as_json: AsJson = False) -> None:
    """Replace e-mail addresses, phone, card and account numbers, IP addresses and keys by placeholders.

    Example: regrind curate redact seed.jsonl -o redacted.jsonl
    """
    from curation.steps import Redact

    _run(file, output, Redact(), None, as_json=as_json)


@app.command()
def select(
    file: Input,
    output: Output,
    k: Annotated[int, typer.Option("-k", min=1, help="Rows to keep.")],
    floor: Annotated[float, typer.Option(min=0, max=0.9, help="Share that is too odd to be picked.")] = 0.05,
    seed: Seed = 0,
    drops: Drops = None,
    as_json: AsJson = False,
) -> None:
    """Keep the k rows whose prompts cover the others best, and say whether that beat a random pick.

    Example: regrind curate select seed.jsonl -o few.jsonl -k 200
    """
    from curation.intake import read_file
    from curation.steps import Select

    share = min(1.0, k / max(read_file(file).rows.height, 1))
    _run(file, output, Select(share=share, floor=floor, seed=seed), drops, as_json=as_json)


@app.command()
def augment(
    file: Input,
    output: Output,
    share: Annotated[float, typer.Option(min=0, max=1, help="New rows as a share of the old.")] = 0.1,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Add copies of some rows with typing noise in the user's words, for robustness.

    Example: regrind curate augment seed.jsonl -o more.jsonl --share 0.2
    """
    from curation.steps import Augment

    _run(file, output, Augment(share=share, seed=seed), None, as_json=as_json)


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


def _run(file: Path, output: Path, step: Step, drops: Path | None, *, as_json: bool) -> Curated:
    """One step from a file to a file."""
    import msgspec

    from curation.export import write_rows
    from curation.files import new_file
    from curation.steps import begin, run_step

    demand_distinct(file, output, drops)
    state = run_step(begin(only_rows(file)), step)
    write_rows(state.rows, output)
    if drops:
        with new_file(drops) as temporary:
            state.drops.write_ndjson(temporary)
    tally = state.tallies[-1]
    if as_json:
        out_json(msgspec.to_builtins(tally) | {"conflicts": state.conflicts.to_dicts()})
    else:
        out(f"{tally.rows_in} rows in, {tally.rows_out} out: {_why(tally.dropped)}")
        for note, value in tally.notes.items():
            out(f"{note}: {value}")
    next_command(f"regrind curate validate {sh(output)}")
    return state


def _why(dropped: dict[str, int]) -> str:
    return "; ".join(f"{n} {reason}" for reason, n in dropped.items()) or "none dropped"
