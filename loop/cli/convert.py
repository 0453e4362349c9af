"""Command `regrind curate convert`: rows in another form, for another tool."""

from __future__ import annotations

from loop.cli.common import AsJson, next_command, out, out_json, sh
from loop.cli.curate import app
from loop.cli.files import Input, Output, Rejects, Shape, beside, demand_distinct, name_of, read, write


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(convert)


def convert(
    file: Input,
    output: Output,
    rejects: Rejects = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Read rows in any shape and form, and write them as `messages` in the form that -o ends with.

    Without --rejects a line that is no row stops it, so that none is left out unseen.

    Example: regrind curate convert alpaca.json -o rows.parquet --rejects rejects.jsonl
    """
    from curation.errors import UserError

    demand_distinct(file, output, rejects)
    rows, bad = read(file, shape, ids=False)
    if bad.height and not rejects:
        fix = f"correct the line, or name a file for the {bad.height} bad lines: --rejects rejects.jsonl"
        raise UserError(f"not a row: {bad['reason'][0]}", where=f"{name_of(file)}:{bad['line'][0]}", fix=fix)
    write(rows, output, (bad, rejects))
    with beside(output):
        if as_json:
            out_json({"rows": rows.height, "rejected": bad.height})
        else:
            out(f"{rows.height} rows, {bad.height} lines rejected")
    next_command(f"regrind curate validate {sh(output)}")
