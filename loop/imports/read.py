"""A file of traces read in batches: its format recognised, what cannot be read set aside with its line."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.decode import Fault, decode
from curation.errors import UserError
from curation.sources import blocks
from curation.unpack import GZIP, ZSTD
from loop.imports import chatlog, genai, langfuse, openinference, otlp
from loop.imports.event import Event, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from curation.sources import Block

    Reader = Callable[[dict[str, Any]], Iterator[Event]]

MAPPINGS = {
    "otlp": genai.MAPPING,
    "openinference": openinference.MAPPING,
    "langfuse": langfuse.MAPPING,
    "openai": chatlog.MAPPING,
    "flywheel": chatlog.MAPPING,
    "jsonl": chatlog.MAPPING,
}
"""Each format and the version of its mapping, which is kept with every trace."""

WRONG = (Unreadable, Fault, KeyError, TypeError, AttributeError, ValueError, IndexError, RecursionError)
"""What an object raises that is not as its format says."""


class Reject(NamedTuple):
    """What could not be read: its line (or item), why, and how it begins."""

    line: int
    reason: str
    text: str


def read(path: Path, form: str | None = None) -> Iterator[tuple[str, list[Event | Reject]]]:
    """Read a file in blocks.

    Args:
        path: JSONL or a JSON array, plain, gzip or zstd; `-` is standard input; OTLP in protobuf.
        form: The format, a key of `MAPPINGS`; recognised by the first object unless given.

    Yields:
        The format, and the events of a block in their order.

    Raises:
        UserError: There is no such file or format, or it cannot be read at all.
    """
    if form is not None and form not in MAPPINGS:
        raise UserError(f"there is no format {form!r}", where="--from", fix=f"use {', '.join(MAPPINGS)}")
    knows = langfuse.Langfuse()
    for objects in _objects(path):
        form = form or _first(objects)
        yield form, [event for number, found in objects for event in _events(number, found, form, knows)]


def recognise(record: dict[str, Any]) -> str:
    """The format that an object has; plain JSONL where it has no other."""
    names = record.keys()
    if names & {"resourceSpans", "resourceLogs", "resource_spans", "resource_logs"}:
        return "otlp"
    if names & {"span_kind", "context.span_id"} or "span_id" in (record.get("context") or {}):
        return "openinference"
    if names & {"traceId", "trace_id", "sessionId", "project_id", "observations"} and names & {
        *("startTime", "start_time", "dataType", "data_type", "timestamp", "type")
    }:
        return "langfuse"
    if {"request", "response"} <= names:
        return "flywheel" if names & {"workload_id", "client_id"} else "openai"
    return "openai" if "choices" in names else "jsonl"


def _first(objects: list[tuple[int, dict[str, Any] | Reject]]) -> str:
    return next((recognise(found) for _, found in objects if isinstance(found, dict)), "jsonl")


def _objects(path: Path) -> Iterator[list[tuple[int, dict[str, Any] | Reject]]]:
    """Objects with their line numbers, a block at a time."""
    if _binary(path):
        from loop.imports.protobuf import exports

        for number, export in exports(path):
            yield [(number, export)]
        return
    found = blocks(path)
    for block in _together(found):
        last = block.first + len(block.lines) - 1
        objects: list[tuple[int, dict[str, Any] | Reject]]
        objects = [(n, _object(n, line)) for n, line in enumerate(block.lines, block.first) if line.strip()]
        yield objects + ([(last, Reject(last, block.cut, ""))] if block.cut else [])


def _together(found: Iterator[Block]) -> Iterator[Block]:
    """Blocks of lines; one object over all lines, as in a pretty-printed export, becomes one line."""
    for block in found:
        if block.first == 1 and block.lines[0].strip() == b"{":
            lines = chain(block.lines, *(more.lines for more in found))
            yield block._replace(lines=[b"\n".join(lines)])
        else:
            yield block


def _object(number: int, line: bytes) -> dict[str, Any] | Reject:
    try:
        return decode(line)
    except Fault as fault:
        return Reject(number, fault.reason, line[:500].decode("utf8", "replace"))


def _events(
    number: int, found: dict[str, Any] | Reject, form: str, knows: langfuse.Langfuse
) -> Iterator[Event | Reject]:
    if isinstance(found, Reject):
        yield found
        return
    try:
        yield from list(_reader(form, found, knows)(found))
    except WRONG as fault:
        why = str(fault) if isinstance(fault, Unreadable) else f"not as {form} has it ({fault!r})"
        yield Reject(number, why, json.dumps(found, ensure_ascii=False)[:500])


def _reader(form: str, record: dict[str, Any], knows: langfuse.Langfuse) -> Reader:
    match form:
        case "otlp":
            return otlp.read
        case "openinference":
            return otlp.read if recognise(record) == "otlp" else openinference.read_export
        case "langfuse":
            return knows.read
        case "openai" | "flywheel":
            return chatlog.read_stored if "choices" in record else chatlog.read_pair
        case _:
            return chatlog.read_plain


def _binary(path: Path) -> bool:
    """Whether a file is neither text nor packed text."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith((GZIP, ZSTD)):
        return False
    return any(byte < 9 for byte in head)
