"""Command `regrind curate redact`: personal data and secrets replaced, reported, or their rows dropped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import EXIT_HELD, AsJson, next_command, out, out_json, sh, told
from loop.cli.curate import Drops, app, run_on
from loop.cli.files import Input, Shape, demand_distinct, only_rows, read, write_lines

if TYPE_CHECKING:
    import polars as pl

Target = Annotated[
    Path | None, typer.Option("--output", "-o", help="File to write: the rows, or the report.")
]
PERSONAL = ("KEY", "EMAIL", "IBAN", "CARD", "IP", "PHONE")


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(redact)


def redact(
    file: Input,
    output: Target = None,
    action: Annotated[str, typer.Option(help="redact, report or drop.")] = "redact",
    kinds: Annotated[str, typer.Option(help="What to look for, with commas between.")] = ",".join(PERSONAL),
    drops: Drops = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Replace e-mail addresses, phone, card and account numbers, IP addresses and keys by placeholders.

    With `--action drop` their rows go; with `--action report` nothing changes, what was found is listed
    with its values masked, and the exit code is 3 when there is any.

    Example: regrind curate redact seed.jsonl -o redacted.jsonl
    """
    from typing import get_args

    from curation.recipe import Action, Redact

    asked = tuple(dict.fromkeys(kind.strip().upper() for kind in kinds.split(",")))
    if unknown := [kind for kind in asked if kind not in PERSONAL]:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(PERSONAL)}", param_hint="--kinds")
    if action not in get_args(Action):
        raise typer.BadParameter(f"one of {', '.join(get_args(Action))}", param_hint="--action")
    if action != "report" and output is None:
        raise typer.BadParameter("the rows need a file to go to", param_hint="--output")
    if action == "report" or output is None:
        demand_distinct(file, output)
        rows, bad = read(file, shape)
        if bad.height:
            told().say(f"{bad.height} lines are no rows and are not searched: see regrind curate validate")
        _report(file, rows, output, asked, as_json=as_json)
    else:
        step = Redact(action, asked)  # type: ignore[arg-type]
        run_on(only_rows(file, shape), (file, output, drops), step, as_json=as_json)


def _report(
    file: Path, rows: pl.DataFrame, output: Path | None, kinds: tuple[str, ...], *, as_json: bool
) -> None:
    """List personal data, masked; exit 3 when there is any."""
    from curation.redact import report

    found = report(rows, kinds)  # type: ignore[arg-type]
    write_lines(found, output)
    if as_json:
        out_json({"found": found.to_dicts()})
    else:
        for f in found.iter_rows(named=True):
            out(f"{f['source']}:{f['line']}: {f['kind']} in {f['field']}: {f['excerpt']}")
        out(f"{found.height} found in {found['row_id'].n_unique()} rows")
    next_command(f"regrind curate redact {sh(file)} -o redacted.jsonl")
    if found.height:
        raise typer.Exit(EXIT_HELD)
