"""Rows out: JSONL that reads back as the same rows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.files import new_file
from curation.rows import plain

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


def write_jsonl(rows: pl.DataFrame, path: Path) -> None:
    """Write rows as chat JSONL: `messages`, `tags`, `parents` where there are some, and the fields of `meta`.

    Args:
        rows: Rows with schema ROWS.
        path: The file; it is written whole or not at all.
    """
    with new_file(path) as temporary, temporary.open("w", encoding="utf8") as stream:
        for row in rows.iter_rows(named=True):
            stream.write(json.dumps(_record(row), ensure_ascii=False) + "\n")


def _record(row: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(row["meta"] or "{}")
    record["messages"] = plain(row["messages"])
    record |= {key: row[key] for key in ("tags", "parents") if row[key]}
    return record
