"""Command `regrind curate validate`: what is wrong with some files, for people, programs and GitHub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from loop.cli.common import (
    EXIT_HELD,
    AsJson,
    next_command,
    open_workspace,
    out,
    out_json,
    sh,
)
from loop.cli.files import Rejects, Shape, demand_distinct, read, write_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from curation.report import Report
    from curation.rules import Settings

Codes = Annotated[
    list[str] | None, typer.Option(help="Rule codes or their beginnings (R3), with commas between.")
]


Kind = Literal["train", "prompts", "evaluation"]
Format = Literal["text", "json", "github"]

COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def add_to(app: typer.Typer) -> None:
    """Make it a command of the group."""
    app.command()(validate)


def validate(
    files: Annotated[list[Path], typer.Argument(help="Files, or - for standard input.")],
    kind: Annotated[Kind, typer.Option(help="What the rows are for: it says which rules apply.")] = "train",
    select: Codes = None,
    ignore: Codes = None,
    form: Annotated[Format, typer.Option("--format", help="Text, JSON, or workflow commands.")] = "text",
    rejects: Rejects = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace", "-w", help="Folder whose regrind.toml has [rules]; here, where there is one."
        ),
    ] = None,
    shape: Shape = None,
    as_json: AsJson = False,
) -> None:
    """Name every line that is no row and every row that breaks a rule; exit 3 when there are errors.

    docs/rules.md explains the rules. --select replaces the one of regrind.toml, --ignore is added to it.

    Example: regrind curate validate data/seed.jsonl --ignore R2,S --rejects rejects.jsonl
    """
    import polars as pl

    from curation.report import report
    from curation.validate import validate_together

    demand_distinct(*dict.fromkeys(files), rejects)
    settings = _settings(workspace, _codes(select), _codes(ignore))
    intakes = [read(path, shape, ids=False) for path in dict.fromkeys(files)]
    rows, bad = pl.concat([i.rows for i in intakes]), pl.concat([i.rejects for i in intakes])
    findings = validate_together([i.rows for i in intakes], kind=kind, settings=settings)
    write_lines(bad, rejects)
    found = report(rows, bad, findings)
    if as_json or form == "json":
        out_json(_as_json(found))
    else:
        for line in _github(found) if form == "github" else _text(found):
            out(line)
    next_command(f"regrind curate dedup {sh(files[0])} -o deduplicated.jsonl --drops drops.jsonl")
    if not found.is_valid:
        raise typer.Exit(EXIT_HELD)


def _settings(workspace: Path | None, select: tuple[str, ...], ignore: tuple[str, ...]) -> Settings:
    """The rules of the workspace (named, or where we are, if it is one) under the options."""
    import msgspec

    from curation.rules import Settings, demand_known
    from loop.config import rule_settings

    settings = Settings()
    if workspace is not None or Path("regrind.toml").exists():
        settings = rule_settings(open_workspace(workspace or Path()).config)
    settings = msgspec.structs.replace(
        settings, select=select or settings.select, ignore=(*settings.ignore, *ignore)
    )
    demand_known(settings)
    return settings


def _codes(options: list[str] | None) -> tuple[str, ...]:
    return tuple(code.strip() for option in options or () for code in option.split(","))


def _as_json(found: Report) -> dict[str, Any]:
    return {
        "is_valid": found.is_valid,
        "rows": found.total_examples,
        "average_prompt_length": found.average_prompt_length,
        "average_response_length": found.average_response_length,
        "quality": found.quality._asdict(),
        "rejected": found.rejects.to_dicts(),
        "findings": found.findings.to_dicts(),
    }


def _text(found: Report) -> Iterator[str]:
    from curation.validate import in_words

    for r in found.rejects.iter_rows(named=True):
        yield f"{r['source']}:{r['line']}: error: {r['reason']} - at {r['path']}"
    for finding in found.findings.iter_rows(named=True):
        yield f"{in_words(finding)} ({finding['fix']})"
    levels = found.quality.by_level
    counts = ", ".join(f"{levels.get(level, 0)} {level}" for level in COMMANDS)
    yield f"{found.total_examples} rows, {found.rejects.height} lines rejected, findings: {counts}"
    prompt, response = found.average_prompt_length, found.average_response_length
    clean = f"{found.quality.clean_share:.1%} of the lines are rows without a finding"
    yield f"{clean}; prompts of {prompt:.0f} characters on average, answers of {response:.0f}"


def _github(found: Report) -> Iterator[str]:
    """Workflow commands, one a line, which GitHub shows at the lines of the file."""
    for r in found.rejects.iter_rows(named=True):
        yield _command("error", r["source"], r["line"], "rejected", f"{r['reason']} - at {r['path']}")
    for f in found.findings.iter_rows(named=True):
        said = ": ".join(part for part in (f["message"], f["detail"]) if part)
        yield _command(COMMANDS[f["level"]], f["source"], f["line"], f["code"], f"{said} ({f['fix']})")


def _command(name: str, file: str | None, line: int | None, title: str, message: str) -> str:
    place = {"file": file, "line": line, "title": title}
    properties = ",".join(f"{key}={_escaped(str(value), ':,')}" for key, value in place.items() if value)
    return f"::{name} {properties}::{_escaped(message)}"


def _escaped(text: str, also: str = "") -> str:
    """Text with what would end a command or a property as %XX; the percent sign goes first."""
    for character in "%\r\n" + also:
        text = text.replace(character, f"%{ord(character):02X}")
    return text
