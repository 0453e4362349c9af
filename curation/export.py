"""Rows out: in a form that reads back as the same rows, chosen by the name's ending."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, cast

import polars as pl

from curation.errors import UserError
from curation.files import new_file, writing
from curation.rows import plain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLICE, AT_ONCE = 10_000, 4
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
    demand_form(path)
    if path.suffix in TABLES:
        from curation.tables import write_table

        write_table(rows, path)
    elif str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf8")
        with writing(path):
            sys.stdout.writelines(part.decode() for part in _lines(rows))
            sys.stdout.flush()
    else:
        unpacked = path.with_suffix("") if path.suffix in PACKED else path
        with new_file(path) as temporary, _opened(temporary, path.suffix) as stream:
            if unpacked.suffix == ".json":
                stream.writelines(_array(rows))
            elif unpacked == path and _is_plain(rows):  # what packs is fed part by part, below
                _plain(rows).lazy().sink_ndjson(stream)
            else:
                stream.writelines(_lines(rows))


def demand_form(path: Path) -> None:
    """Refuse the name of a form that is not written, rather than write another one under it.

    Raises:
        UserError: It ends with another form.
    """
    unpacked = path.with_suffix("") if path.suffix in PACKED else path
    if unpacked.suffix and unpacked.suffix not in (LINES if path.suffix in PACKED else {*LINES, *TABLES}):
        fix = "end the name with .jsonl, .json (also .gz or .zst behind them), .parquet or .hf"
        raise UserError(f"there is no form {''.join(path.suffixes)}", where=str(path), fix=fix)


@contextlib.contextmanager
def _opened(path: Path, suffix: str) -> Iterator[IO[bytes]]:
    if suffix == ".gz":
        # The time of day is left out, so that the same rows give the same bytes.
        with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            yield cast("IO[bytes]", packed)
    elif suffix == ".zst":
        import pyarrow as pa

        with pa.CompressedOutputStream(str(path), "zstd") as packed:
            yield packed
    else:
        with path.open("wb") as stream:
            yield stream


def _lines(rows: pl.DataFrame) -> Iterator[bytes]:
    """JSONL, made some slices ahead of what is written."""
    parts = rows.iter_slices(SLICE)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        ahead = deque(pool.submit(_part, part) for part in islice(parts, AT_ONCE))
        while ahead:
            yield ahead.popleft().result()
            ahead.extend(pool.submit(_part, part) for part in islice(parts, 1))


def _part(rows: pl.DataFrame) -> bytes:
    if _is_plain(rows):
        return _plain(rows).write_ndjson().encode()
    return "".join(f"{text}\n" for text in _texts(rows)).encode()


def _array(rows: pl.DataFrame) -> Iterator[bytes]:
    for number, part in enumerate(rows.iter_slices(SLICE)):
        yield (b",\n" if number else b"[\n") + ",\n".join(_texts(part)).encode()
    yield b"\n]\n" if rows.height else b"[\n\n]\n"


def _texts(rows: pl.DataFrame) -> Iterator[str]:
    for row in rows.iter_rows(named=True):
        yield json.dumps(_record(row), ensure_ascii=False, separators=(",", ":"))


def _is_plain(rows: pl.DataFrame) -> bool:
    """Whether the rows have nothing but roles and contents."""
    other = (pl.col("meta") != "{}") | (pl.col("tags").list.len() > 0) | (pl.col("parents").list.len() > 0)
    turns = rows["messages"].explode().struct
    missing = turns.field("content").null_count() + (
        turns.field("extra").len() - turns.field("extra").null_count()
    )
    return not rows.select(other.any()).item() and missing == 0


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Plain rows as they are written: a tenth of the time of row by row."""
    turn = pl.struct(pl.element().struct.field("role"), pl.element().struct.field("content"))
    return rows.select(pl.col("messages").list.eval(turn))


def _record(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(row["meta"] or "{}")
    record["messages"] = plain(row["messages"])
    record |= {key: row[key] for key in ("tags", "parents") if row[key]}
    return record
