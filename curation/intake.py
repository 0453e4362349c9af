"""JSONL in: every good line becomes a row, every bad one is quarantined with line, path and reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from curation.errors import UserError
from curation.rows import frame, make_row
from curation.shapes import SHAPES, own_keys, recognise, to_messages

if TYPE_CHECKING:
    from pathlib import Path

REJECTS = pl.Schema(
    {"source": pl.String, "line": pl.Int64, "path": pl.String, "reason": pl.String, "text": pl.String}
)
"""A line that is no row: where it stands, the JSON path of the fault, why, and its first 500 characters."""


class Intake(NamedTuple):
    """What a file held: `rows` (schema ROWS) and `rejects` (schema REJECTS)."""

    rows: pl.DataFrame
    rejects: pl.DataFrame


class _Fault(Exception):  # noqa: N818  (a reason that travels ten lines, not an error of the program)
    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason, self.path = reason, path


def read_jsonl(path: Path, *, source: str | None = None) -> Intake:
    """Read a JSONL file in one of the shapes of `curation.shapes`.

    The first line that has a known shape settles the shape of the file. Blank lines are skipped.

    Args:
        path: The file.
        source: The name that rows and rejects carry; the file's own name unless given.

    Returns:
        Rows in the order of the file, and the rejected lines. Together they are all lines that are not blank.

    Raises:
        UserError: There is no such file, it is empty, it is not text, or no line of it is a row.
    """
    name = source or path.name
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    shape: str | None = None
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = _decode(line)
            shape = shape or _shape(record)
            rows.append(_row(record, shape, name, number))
        except _Fault as fault:
            text = line[:500].decode("utf8", "replace")
            reject = {
                "source": name,
                "line": number,
                "path": fault.path,
                "reason": fault.reason,
                "text": text,
            }
            rejects.append(reject)
    if not rows:
        first = f"line {rejects[0]['line']}: {rejects[0]['reason']}" if rejects else "all lines are blank"
        fix = "each line must be one JSON object with one of: " + "; ".join(SHAPES)
        raise UserError(f"no line can be read as a row ({first})", where=str(path), fix=fix)
    return Intake(frame(rows), pl.DataFrame(rejects, schema=REJECTS, orient="row"))


def _lines(path: Path) -> list[bytes]:
    if path.is_dir():
        raise UserError("this is a folder", where=str(path), fix="name a JSONL file")
    try:
        data = path.read_bytes()
    except FileNotFoundError as fault:
        raise UserError("there is no such file", where=str(path), fix="check the path") from fault
    except PermissionError as fault:
        raise UserError("the file may not be read", where=str(path), fix="change its permissions") from fault
    if not data.strip():
        raise UserError("the file is empty", where=str(path), fix="put one JSON object on each line")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data[:4096]:
        fix = "save it as UTF-8 text, one JSON object on each line"
        raise UserError("this is not UTF-8 text (a binary or UTF-16 file)", where=str(path), fix=fix)
    return data.removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _decode(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf8")
        record = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
        if "\\u" in text:
            json.dumps(record, ensure_ascii=False).encode("utf8")
    except UnicodeDecodeError as fault:
        raise _Fault(f"not UTF-8 at byte {fault.start + 1}") from None
    except UnicodeEncodeError:
        raise _Fault("half a character (a lone surrogate escape)") from None
    except json.JSONDecodeError as fault:
        raise _Fault(f"not JSON: {fault.msg.lower()} at column {fault.colno}") from None
    except RecursionError:
        raise _Fault("nested too deeply") from None
    if not isinstance(record, dict):
        raise _Fault(f"a JSON {_kind(record)}, where an object is needed")
    return record


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Fault(f"the key {twice!r} stands twice in one object", path=f"$..{twice}")
    return record


def _no_constant(name: str) -> None:
    raise _Fault(f"{name} is not JSON")


def _kind(value: object) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")


def _shape(record: dict[str, Any]) -> str:
    shape = recognise(record)
    if shape is None:
        keys = ", ".join(list(record)[:8]) or "no keys"
        raise _Fault(f"not a known shape (it has {keys})")
    return shape


def _row(record: dict[str, Any], shape: str, source: str, line: int) -> dict[str, Any]:
    tags = record.pop("tags", None) or []
    if not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise _Fault("tags must be an array of strings", path="$.tags")
    try:
        messages = to_messages(shape, record)
    except msgspec.ValidationError as fault:
        reason, _, path = str(fault).partition(" - at ")
        if missing := [key for key in shape.split("/") if key not in record]:
            reason = f"{reason} (the lines before have the shape {shape}; {missing[0]} is missing)"
        raise _Fault(reason, path=path.strip("`") or "$") from None
    used = own_keys(shape)
    meta = {key: value for key, value in record.items() if key not in used}
    return make_row(
        messages,
        tags=tags,
        source=source,
        line=line,
        meta=json.dumps(meta, ensure_ascii=False, sort_keys=True),
    )
