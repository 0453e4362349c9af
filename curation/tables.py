"""Rows as tables: Parquet files and Hugging Face `datasets` folders, in and out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.decode import Fault, strictly
from curation.errors import UserError
from curation.files import new_file, new_folder
from curation.rows import ROWS
from curation.unpack import PARQUET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

MARKS = ("dataset_info.json", "dataset_dict.json")
"""What a folder has that `datasets` wrote."""

COLUMNS = ("messages", "tags", "parents", "meta")
SLICE = 10_000


def is_table(path: Path) -> bool:
    """Whether a path is a Parquet file or a `datasets` folder."""
    if path.is_dir():
        return any((path / mark).is_file() for mark in MARKS)
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return stream.read(4) == PARQUET


def read_table(path: Path) -> pl.DataFrame:
    """Read a Parquet file, or all splits of a `datasets` folder.

    Raises:
        UserError: It cannot be read, or `datasets` is not installed.
    """
    try:
        return _read_dataset(path) if path.is_dir() else pl.read_parquet(path)
    except (OSError, ValueError, pl.exceptions.PolarsError) as fault:
        raise UserError(
            f"the table cannot be read: {fault}", where=str(path), fix="write it again"
        ) from fault


def objects(table: pl.DataFrame) -> Iterator[list[dict[str, Any]]]:
    """The lines of a table as JSON objects, some thousand at a time.

    A null, or a NaN, is taken for a field that is not there: a column has a place for it in every line.
    """
    whole = set(COLUMNS) <= set(table.columns) and table.schema["messages"] == ROWS["messages"]
    for part in table.iter_slices(SLICE):
        lines = msgspec.to_builtins(part.to_dicts())
        yield [_ours(line) if whole else _without_nulls(line) for line in lines]


def write_table(rows: pl.DataFrame, path: Path) -> None:
    """Write rows to a Parquet file, or to a `datasets` folder where the name ends with `.hf`.

    Args:
        rows: Rows with schema ROWS.
        path: Where; it is written whole or not at all.

    Raises:
        UserError: The place cannot be written to, or `datasets` is not installed.
    """
    table = rows.select(COLUMNS)
    if path.suffix == ".parquet":
        with new_file(path) as temporary:
            table.write_parquet(temporary)
        return
    if path.exists():
        raise UserError("this exists already", where=str(path), fix="name a folder that does not exist")
    with new_folder(path) as folder:
        _datasets().Dataset(table.to_arrow()).save_to_disk(str(folder))


def _read_dataset(path: Path) -> pl.DataFrame:
    datasets = _datasets()
    loaded = datasets.load_from_disk(str(path))
    parts = list(loaded.values()) if isinstance(loaded, datasets.DatasetDict) else [loaded]
    # In memory, because an input folder is not written to.
    flat = [part.flatten_indices(keep_in_memory=True) if part._indices else part for part in parts]
    frames = [pl.from_arrow(part.data.table) for part in flat]
    return pl.concat([f for f in frames if isinstance(f, pl.DataFrame)], how="diagonal_relaxed")


def _datasets() -> Any:  # noqa: ANN401  (a module without types)
    try:
        import datasets
    except ImportError as fault:
        fix = "pip install 'regrind[train]', or use JSONL or Parquet"
        raise UserError("datasets folders need the package datasets", fix=fix) from fault
    datasets.disable_progress_bars()
    return datasets


def _ours(line: dict[str, Any]) -> dict[str, Any]:
    """A line that regrind wrote, with the fields that stood in JSON back in their places."""
    others = {key: value for key, value in line.items() if key not in COLUMNS and not _is_missing(value)}
    try:
        record = others | _fields(line["meta"], COLUMNS)
        record["messages"] = [
            {"role": turn["role"], "content": turn["content"]} | _fields(turn["extra"], ("role", "content"))
            for turn in line["messages"]
        ]
    except (Fault, TypeError):  # it only looks like ours
        return dict(_without_nulls(line))
    return record | {key: line[key] for key in ("tags", "parents") if line[key]}


def _fields(text: str | None, taken: Collection[str]) -> dict[str, Any]:
    """What a JSON object holds, which must not be one of the names that are taken."""
    found = strictly(text.encode()) if text else {}
    if not isinstance(found, dict) or found.keys() & set(taken):
        raise Fault("other fields than regrind writes")
    return found


def _without_nulls(value: Any) -> Any:  # noqa: ANN401  (whatever a table can hold)
    if isinstance(value, dict):
        return {key: _without_nulls(v) for key, v in value.items() if not _is_missing(v)}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
