"""What every command shares: the workspace option, JSON output, tables, and what to run next."""

from __future__ import annotations

import json
import shlex
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loop.progress import Progress
    from loop.workspace import Workspace

WorkspaceDir = Annotated[
    Path, typer.Option("--workspace", "-w", help="Folder that has the regrind.toml.", show_default="here")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

EXIT_HELD = 3


def open_workspace(root: Path) -> Workspace:
    """The workspace in a folder; its configuration is checked."""
    from loop.workspace import Workspace

    workspace = Workspace(root)
    _ = workspace.config
    return workspace


def told(*, quiet: bool = False) -> Progress:
    """Progress on stderr."""
    from loop.progress import Progress

    return Progress(quiet=quiet)


def out(text: str) -> None:
    """One line of the result."""
    sys.stdout.write(f"{text}\n")


def out_json(value: Any) -> None:  # noqa: ANN401  (whatever JSON can say)
    """The result as JSON."""
    out(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> object:
    """A value that JSON has no form for; a sum of whole numbers comes from the store as a decimal."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The result as aligned columns; a number goes to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max([len(h), *(len(row[i]) for row in cells)]) for i, h in enumerate(headers)]
    out("  ".join(h.ljust(w) for h, w in zip(headers, widths, strict=True)).rstrip())
    for row in cells:
        pairs = zip(row, widths, strict=True)
        out("  ".join(c.rjust(w) if _numeric(c) else c.ljust(w) for c, w in pairs).rstrip())


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """The result as a table of Markdown."""
    lines = [headers, ["---"] * len(headers), *([_cell(value) for value in row] for row in rows)]
    for line in lines:
        out("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("\n", "\\n")


def visible(text: str) -> str:
    """A text for the terminal: what would steer it (escape sequences, right-to-left marks) as escapes."""
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


def _numeric(text: str) -> bool:
    return text.replace(".", "", 1).lstrip("+-").isdigit()


def sh(path: Path) -> str:
    """A path as a shell must be told it; for what went to standard output, a name to fill in."""
    return "FILE" if str(path) == "-" else shlex.quote(str(path))


def next_command(*commands: str) -> None:
    """Name what to run next, on stderr, so that piped results stay clean."""
    sys.stderr.write("next: " + "\n      ".join(commands) + "\n")
