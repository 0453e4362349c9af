"""JSONL in: every good line becomes a row, every bad one is quarantined with line, path and reason."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import polars as pl

from curation.errors import UserError
from curation.rows import frame, make_row
from curation.shapes import SHAPES, own_keys, recognise, to_messages

if TYPE_CHECKING:
    from collections.abc import Iterable
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

    The shape that most lines have is the shape of the file, so that no single line decides how the
    others are read. Blank lines are skipped.

    Args:
        path: The file.
        source: The name that rows and rejects carry; the file's own name unless given.

    Returns:
        Rows in the order of the file, and the rejected lines. Together they are all lines that are not blank.

    Raises:
        UserError: There is no such file, it is empty, it is not text, or no line of it is a row.
    """
    name = source or path.name
    lines = _lines(path)
    records: dict[int, dict[str, Any]] = {}
    faults: dict[int, _Fault] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                records[number] = _decode(line)
            except _Fault as fault:
                faults[number] = fault
    shape = _majority(records.values())
    rows = []
    for number, record in records.items():
        try:
            rows.append(_row(record, shape, name, number))
        except _Fault as fault:
            faults[number] = fault
    if not rows:
        raise _no_row(path, lines, faults)
    rejects = [(name, n, faults[n].path, faults[n].reason, _beginning(lines[n - 1])) for n in sorted(faults)]
    return Intake(frame(rows), pl.DataFrame(rejects, schema=REJECTS, orient="row"))


def _majority(records: Iterable[dict[str, Any]]) -> str | None:
    shapes = Counter(shape for record in records if (shape := recognise(record)))
    return shapes.most_common(1)[0][0] if shapes else None


def _beginning(line: bytes) -> str:
    return line[:500].decode("utf8", "replace")


def _no_row(path: Path, lines: list[bytes], faults: dict[int, _Fault]) -> UserError:
    if any(b"\0" in line for line in lines):
        fix = "save it as UTF-8 text, one JSON object on each line"
        return UserError("this is not UTF-8 text (a binary or UTF-16 file)", where=str(path), fix=fix)
    number = min(faults, default=0)
    first = f"line {number}: {faults[number].reason}" if faults else "all lines are blank"
    fix = "each line must be one JSON object with one of: " + "; ".join(SHAPES)
    return UserError(f"no line can be read as a row ({first})", where=str(path), fix=fix)


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
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        fix = "save it as UTF-8 text, one JSON object on each line"
        raise UserError("this is not UTF-8 text (a binary or UTF-16 file)", where=str(path), fix=fix)
    return data.removeprefix(b"\xef\xbb\xbf").split(b"\n")


def _decode(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf8")
        record = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
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
    except ValueError:  # the interpreter's guard against numbers of thousands of digits
        raise _Fault("a number with too many digits") from None
    if not isinstance(record, dict):
        raise _Fault(f"a JSON {_kind(record)}, where an object is needed")
    return record


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Fault(f"the key {twice!r} stands twice in one object", path=_printable(f"$..{twice}"))
    return record


def _printable(path: str) -> str:
    """A path in which half a character is written as its escape, since no table can hold it."""
    return path.encode("utf8", "backslashreplace").decode()


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _Fault(f"the number {text} is too large")
    return number


def _no_constant(name: str) -> None:
    raise _Fault(f"{name} is not JSON")


def _kind(value: object) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")


def _row(record: dict[str, Any], shape: str | None, source: str, line: int) -> dict[str, Any]:
    if shape is None:
        keys = ", ".join(list(record)[:8]) or "no keys"
        raise _Fault(f"not a known shape (it has {keys})")
    tags = record.pop("tags", None)
    if tags is None:
        tags = []
    if not _are_strings(tags):
        raise _Fault("tags must be an array of strings", path="$.tags")
    parents = record.pop("parents") if _are_strings(record.get("parents")) else []
    try:
        messages = to_messages(shape, record)
    except msgspec.ValidationError as fault:
        reason, _, path = str(fault).partition(" - at ")
        if missing := [key for key in shape.split("/") if key not in record]:
            reason = f"{reason} (the shape of this file is {shape}; {missing[0]} is missing)"
        raise _Fault(reason, path=path.strip("`") or "$") from None
    used = own_keys(shape)
    meta = {key: value for key, value in record.items() if key not in used}
    try:
        text = json.dumps(meta, ensure_ascii=False, sort_keys=True)
    except RecursionError:  # writing goes a few levels less deep than reading
        raise _Fault("nested too deeply") from None
    return make_row(messages, tags=tags, source=source, line=line, parents=parents, meta=text)


def _are_strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
