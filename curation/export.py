"""Rows out: in a form that reads back as the same rows, chosen by the name's ending."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from typing import IO, TYPE_CHECKING, Any

from curation.errors import UserError
from curation.files import new_file
from curation.rows import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import polars as pl


LINES, TABLES, PACKED = {".jsonl", ".ndjson", ".json"}, {".parquet", ".hf"}, {".gz", ".zst"}


def write_rows(rows: pl.DataFrame, path: Path) -> None:
    """Write rows, whole or not at all.

    JSONL holds `messages`, `tags` and `parents` where there are some, and the fields of `meta`.

    Args:
        rows: Rows with schema ROWS.
        path: `.json` is an array, `.parquet` a Parquet file, `.hf` a `datasets` folder, `-` standard output,
            `.jsonl`, `.ndjson` and a name without an ending JSONL; `.gz` and `.zst` behind those compress.

    Raises:
        UserError: The name ends with another form, or the place cannot be written to.
    """
    _demand_form(path)
    if path.suffix in TABLES:
        from curation.tables import write_table

        write_table(rows, path)
    elif str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf8")
        _write(rows, sys.stdout, array=False)
    else:
        with new_file(path) as temporary, _opened(temporary, path.suffix) as stream:
            unpacked = path.with_suffix("") if path.suffix in PACKED else path
            _write(rows, stream, array=unpacked.suffix == ".json")


def _demand_form(path: Path) -> None:
    """Refuse the name of a form that is not written, rather than write another one under it."""
    unpacked = path.with_suffix("") if path.suffix in PACKED else path
    if unpacked.suffix and unpacked.suffix not in (LINES if path.suffix in PACKED else {*LINES, *TABLES}):
        fix = "end the name with .jsonl, .json (also .gz or .zst behind them), .parquet or .hf"
        raise UserError(f"there is no form {''.join(path.suffixes)}", where=str(path), fix=fix)


@contextlib.contextmanager
def _opened(path: Path, suffix: str) -> Iterator[IO[str]]:
    if suffix == ".gz":
        # The time of day is left out, so that the same rows give the same bytes.
        with (
            path.open("wb") as raw,
            gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
            contextlib.closing(io.TextIOWrapper(packed, encoding="utf8", newline="\n")) as stream,
        ):
            yield stream
    elif suffix == ".zst":
        import pyarrow as pa

        with (
            pa.CompressedOutputStream(str(path), "zstd") as packed,
            contextlib.closing(io.TextIOWrapper(packed, encoding="utf8", newline="\n")) as stream,
        ):
            yield stream
    else:
        with path.open("w", encoding="utf8") as stream:
            yield stream


def _write(rows: pl.DataFrame, stream: IO[str], *, array: bool) -> None:
    between = ",\n" if array else "\n"
    stream.write("[\n" if array else "")
    for number, row in enumerate(rows.iter_rows(named=True)):
        stream.write((between if number else "") + json.dumps(_record(row), ensure_ascii=False))
    stream.write("\n]\n" if array else "\n" if rows.height else "")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(row["meta"] or "{}")
    record["messages"] = plain(row["messages"])
    record |= {key: row[key] for key in ("tags", "parents") if row[key]}
    return record
