"""Command `regrind curate shape`: prompts put into a template, and rows told which stage they are for."""

from __future__ import annotations

from typing import Annotated

import typer

from loop.cli.common import AsJson, next_command, out, out_json, sh
from loop.cli.curate import app
from loop.cli.files import Input, Output, Shape, beside, demand_distinct, only_rows


def add() -> None:
    """Add the command to `regrind curate`."""
    app.command()(shape)


def shape(
    file: Input,
    output: Output,
    template: Annotated[
        str | None, typer.Option(metavar="FILE[:NAME]", help="TOML file with [[template]] tables.")
    ] = None,
    stage: Annotated[
        str | None, typer.Option(help="general, domain, task or another name, for the tag stage:NAME.")
    ] = None,
    form: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Put every prompt into a template (prefix, instruction, examples), or tag rows with a stage, or both.

    Example: regrind curate shape seed.jsonl -o shaped.jsonl --template templates.toml:summarise --stage task
    """
    import msgspec

    from curation import prompts
    from curation.export import write_rows
    from curation.templates import Name, load_template, template_file

    if template is None and stage is None:
        raise typer.BadParameter("name a template, a stage or both", param_hint="--template, --stage")
    try:
        wanted = msgspec.convert(stage, Name | None)
    except msgspec.ValidationError:
        hint = "letters, digits and ._- after a letter or digit"
        raise typer.BadParameter(hint, param_hint="--stage") from None
    chosen = load_template(template) if template else None
    demand_distinct(file, output, template_file(template) if template else None)
    shaped = prompts.Shaped(only_rows(file, form), 0, 0)
    if chosen:
        shaped = prompts.shape(shaped.rows, chosen)
    named = wanted or (chosen.stage if chosen else None)
    rows = prompts.stage(shaped.rows, named) if named else shaped.rows
    write_rows(rows, output)
    report = {"rows": rows.height, "template": chosen.name if chosen else None, "stage": named}
    report |= {"replaced": shaped.replaced, "spared": shaped.spared}
    with beside(output):
        if as_json:
            out_json(report)
        else:
            out(f"{rows.height} rows, template {report['template'] or '-'}, stage {named or '-'}")
            out(f"system messages that the template's took the place of: {shaped.replaced}")
            out(f"rows that are an example themselves, and were not shown it: {shaped.spared}")
    next_command(f"regrind curate tokens {sh(output)}")
