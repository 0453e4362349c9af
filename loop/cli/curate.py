"""Commands `regrind curate …`: a file in, a file out; no workspace is needed but for `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import (
    EXIT_HELD,
    AsJson,
    WorkspaceDir,
    demand_distinct,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
    table,
    told,
)

if TYPE_CHECKING:
    import polars as pl

    from curation.steps import Curated, Step

app = typer.Typer(help="Prepare data: validate, deduplicate, redact, select, augment.", no_args_is_help=True)

Input = Annotated[Path, typer.Argument(help="JSONL file to read.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="JSONL file to write.")]
Drops = Annotated[Path | None, typer.Option(help="JSONL file for what was dropped, why, and for which row.")]
PERSONAL = ("KEY", "EMAIL", "IBAN", "CARD", "IP", "PHONE")
Seed = Annotated[int, typer.Option(help="Of the random choices.")]


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="JSONL files.")],
    rejects: Annotated[Path | None, typer.Option(help="JSONL file for the lines that are no rows.")] = None,
    prompts: Annotated[bool, typer.Option(help="The files hold prompts: do not ask for answers.")] = False,
    as_json: AsJson = False,
) -> None:
    """Name every line that is no row and every row that breaks a rule; exit 3 when there are errors.

    Example: regrind curate validate data/seed.jsonl --rejects rejects.jsonl
    """
    import polars as pl

    from curation.files import new_file
    from curation.intake import read_jsonl
    from curation.validate import validate as find

    demand_distinct(*dict.fromkeys(files), rejects)
    intakes = [read_jsonl(path, source=str(path)) for path in files]
    bad = pl.concat([i.rejects for i in intakes])
    findings = pl.concat([find(i.rows, answers=not prompts) for i in intakes])
    if rejects:
        with new_file(rejects) as temporary:
            bad.write_ndjson(temporary)
    errors = bad.height + findings.filter(level="error").height
    report = {
        "is_valid": errors == 0,
        "rows": sum(i.rows.height for i in intakes),
        "rejected": bad.to_dicts(),
        "findings": findings.to_dicts(),
    }
    if as_json:
        out_json(report)
    else:
        for r in bad.iter_rows(named=True):
            out(f"{r['source']}:{r['line']}: error: {r['reason']} - at {r['path']}")
        for f in findings.iter_rows(named=True):
            place = f"{f['source']}:{f['line']}: " if f["line"] else ""
            out(f"{place}{f['level']}: {f['code']} {f['message']} ({f['fix']})")
        out(
            f"{report['rows']} rows, {bad.height} lines rejected, {findings.height} findings, {errors} errors"
        )
    next_command(f"regrind curate dedup {sh(files[0])} -o deduplicated.jsonl --drops drops.jsonl")
    if errors:
        raise typer.Exit(EXIT_HELD)


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
def redact(
    file: Input,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="JSONL file to write: the rows, or the report.")
    ] = None,
    action: Annotated[str, typer.Option(help="redact, report or drop.")] = "redact",
    kinds: Annotated[str, typer.Option(help="What to look for, with commas between.")] = ",".join(PERSONAL),
    drops: Drops = None,
    as_json: AsJson = False,
) -> None:
    """Replace e-mail addresses, phone, card and account numbers, IP addresses and keys by placeholders.

    With `--action drop` their rows go; with `--action report` nothing changes, what was found is listed
    with its values masked, and the exit code is 3 when there is any.

    Example: regrind curate redact seed.jsonl -o redacted.jsonl
    """
    from typing import get_args

    from curation.steps import Action, Redact

    asked = tuple(dict.fromkeys(kind.strip().upper() for kind in kinds.split(",")))
    if unknown := [kind for kind in asked if kind not in PERSONAL]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(PERSONAL)}", param_hint="--kinds")
    if action not in get_args(Action):
        raise typer.BadParameter(f"one of {', '.join(get_args(Action))}", param_hint="--action")
    if action == "report":
        _report_personal(file, output, asked, as_json=as_json)
    elif output is None:
        raise typer.BadParameter("the rows need a file to go to", param_hint="--output")
    else:
        _run(file, output, Redact(action, asked), drops, as_json=as_json)  # type: ignore[arg-type]


def _report_personal(file: Path, output: Path | None, kinds: tuple[str, ...], *, as_json: bool) -> None:
    """List personal data, masked; exit 3 when there is any."""
    from curation.files import new_file
    from curation.redact import report

    demand_distinct(file, output)
    found = report(_rows(file), kinds)  # type: ignore[arg-type]
    if output:
        with new_file(output) as temporary:
            found.write_ndjson(temporary)
    if as_json:
        out_json({"found": found.to_dicts()})
    else:
        for f in found.iter_rows(named=True):
            out(f"{f['source']}:{f['line']}: {f['kind']} in {f['field']}: {f['excerpt']}")
        out(f"{found.height} found in {found['row_id'].n_unique()} rows")
    next_command(f"regrind curate redact {sh(file)} -o redacted.jsonl")
    if found.height:
        raise typer.Exit(EXIT_HELD)


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
    from curation.intake import read_jsonl
    from curation.steps import Select

    share = min(1.0, k / max(read_jsonl(file).rows.height, 1))
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

    from curation.export import write_jsonl
    from curation.files import new_file
    from curation.steps import begin, run_step

    demand_distinct(file, output, drops)
    state = run_step(begin(_rows(file)), step)
    write_jsonl(state.rows, output)
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


def _rows(file: Path) -> pl.DataFrame:
    """The rows of a file; lines that are none stop the command, because they would be lost."""
    from curation.errors import UserError
    from curation.intake import read_jsonl

    rows, bad = read_jsonl(file, source=str(file))
    if bad.height:
        first = f"{file}:{bad['line'][0]}"
        fix = f"run `regrind curate validate {file}`, then correct or remove the {bad.height} bad lines"
        raise UserError(f"not a row: {bad['reason'][0]}", where=first, fix=fix)
    return rows


def _why(dropped: dict[str, int]) -> str:
    return "; ".join(f"{n} {reason}" for reason, n in dropped.items()) or "none dropped"
