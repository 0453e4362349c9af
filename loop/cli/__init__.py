"""The command line: `regrind`. Only typer and the standard library are imported until a command runs."""

from __future__ import annotations

import sys

import typer

from curation.errors import UserError
from loop.cli import (
    augment,
    convert,
    curate,
    cycle,
    heldout,
    judge,
    mine,
    model,
    redact,
    select,
    shape,
    snapshot,
    start,
    store,
    tokens,
    trace,
    train,
)
from training.threads import wait_passively

EXIT_USER = 1
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="regrind",
    help="Close the loop on a fine-tuned language model: curate, train, judge, correct, retrain, gate.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
start.add_to(app)
augment.add()
mine.add()
redact.add()
select.add()
convert.add()
shape.add()
tokens.add()
app.add_typer(curate.app, name="curate")
app.add_typer(snapshot.app, name="snapshot")
app.add_typer(heldout.app, name="heldout")
app.add_typer(judge.app, name="judge")
app.add_typer(trace.app, name="trace")
app.add_typer(train.app, name="train")
app.add_typer(model.app, name="model")
app.add_typer(cycle.app, name="cycle")
store.add_to(app)


def main() -> None:
    """Run the command; what the user can fix ends as a message and exit code 1."""
    wait_passively()
    try:
        app()
    except UserError as error:
        where = f"{error.where}: " if error.where else ""
        sys.stderr.write(f"error: {where}{error.problem}\n")
        if error.fix:
            sys.stderr.write(f"  fix: {error.fix}\n")
        sys.exit(EXIT_USER)
    except SystemExit as end:
        if end.code == EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
            sys.stderr.write("interrupted: nothing is half written; run it again, a cycle goes on\n")
        raise
