"""Files that commands read: a large one with progress, `-` from standard input."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loop.cli.common import sh, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from curation.intake import Intake

Input = Annotated[
    Path, typer.Argument(help="JSONL, a JSON array, .gz, .zst, Parquet, a datasets folder, or -.")
]
Output = Annotated[
    Path,
    typer.Option("--output", "-o", help="File to write: .jsonl, .json, .gz, .zst, .parquet, .hf, or -."),
]
Rejects = Annotated[Path | None, typer.Option(help="JSONL file for the lines that are no rows.")]
Shape = Annotated[
    str | None,
    typer.Option("--shape", help="Such as messages or prompt/response; recognised by its keys unless given."),
]

STANDARD = Path("-")
LARGE = 50 * 2**20


def name_of(path: Path) -> str:
    """What a file is called in findings and errors."""
    return "<stdin>" if path == STANDARD else str(path)


def read(path: Path, shape: str | None = None, *, ids: bool = True) -> Intake:
    """Read a file of rows, with their ids or without; a large one tells on stderr how far it is.

    Raises:
        UserError: As `curation.intake.read_file`.
    """
    from curation.intake import read_file

    size = path.stat().st_size if path.is_file() else 0
    if size < LARGE:
        return read_file(path, source=name_of(path), shape=shape, ids=ids)
    progress = told()
    intake = read_file(
        path,
        source=name_of(path),
        shape=shape,
        ids=ids,
        progress=lambda done, lines: progress.step(
            done >> 20, size >> 20, f"MB of {path.name}, {lines} lines"
        ),
    )
    progress.end(f"{path.name}: {intake.rows.height} rows, {intake.rejects.height} lines rejected")
    return intake


def only_rows(path: Path, shape: str | None = None, *, ids: bool = True) -> pl.DataFrame:
    """The rows of a file (schema ROWS); lines that are no rows stop a step, because they would be lost.

    Raises:
        UserError: The file cannot be read, or a line of it is no row.
    """
    from curation.errors import UserError

    rows, bad = read(path, shape, ids=ids)
    if bad.height:
        name = name_of(path)
        told = f" --shape {shape}" if shape else ""
        command = f"regrind curate convert {sh(path)}{told} -o rows.jsonl --rejects rejects.jsonl"
        fix = f"correct the {bad.height} bad lines, or leave them out: `{command}`, and go on with rows.jsonl"
        raise UserError(f"not a row: {bad['reason'][0]}", where=f"{name}:{bad['line'][0]}", fix=fix)
    return rows


@contextlib.contextmanager
def beside(output: Path) -> Iterator[None]:
    """Tell on stderr what is said in the block where the rows themselves go to standard output."""
    if output != STANDARD:
        yield
        return
    with contextlib.redirect_stdout(sys.stderr):
        yield


def write_lines(table: pl.DataFrame, path: Path | None) -> None:
    """Write a table as JSONL, whole or not at all, where a path is given."""
    with _written((table, path)):
        pass


def write(rows: pl.DataFrame, output: Path, *beside: tuple[pl.DataFrame, Path | None]) -> None:
    """Write rows, and tables as JSONL beside them; none takes its name before all are written."""
    from curation.export import write_rows

    with _written(*beside):
        write_rows(rows, output)


@contextlib.contextmanager
def _written(*tables: tuple[pl.DataFrame, Path | None]) -> Iterator[None]:
    from curation.files import new_file

    with contextlib.ExitStack() as files:
        for table, path in tables:
            if path:
                table.write_ndjson(files.enter_context(new_file(path)))
        yield


def demand_distinct(*paths: Path | None) -> None:
    """Refuse two names of one file: what is written would overwrite what is read.

    Raises:
        UserError: Two of the paths are one file.
    """
    from curation.errors import UserError

    seen: set[Path] = set()
    for path in paths:
        if path is None or path == STANDARD:
            continue
        if path.resolve() in seen:
            fix = "give every input and output a name of its own"
            raise UserError("this file would be read and written, or written twice", where=str(path), fix=fix)
        seen.add(path.resolve())
