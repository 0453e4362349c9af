"""A file of traces read in batches: its format recognised, what cannot be read set aside with its line."""

from __future__ import annotations

import json
import re
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from curation.decode import Fault, decode
from curation.errors import UserError
from curation.sources import blocks
from curation.unpack import GZIP, ZSTD
from loop.imports import chatlog, genai, langfuse, openinference, otlp, plain
from loop.imports.event import Event, Refused, tried

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from curation.sources import Block

MAPPINGS = {
    "otlp": genai.MAPPING,
    "openinference": openinference.MAPPING,
    "langfuse": langfuse.MAPPING,
    "openai": chatlog.MAPPING,
    "flywheel": chatlog.MAPPING,
    "jsonl": plain.MAPPING,
}
"""Each format and the version of its mapping, which is kept with every trace."""

DEEPEST = 200
"""Levels of nesting; redaction, and other readers of JSON, end with an error at some hundreds."""
JSON_BEGINS = re.compile(rb'(\xef\xbb\xbf)?[\s\0]*(\{\s*["}]|\[\s*[\[{"\]])')
OWN = {"messages", "prompt", "question"}
"""Fields of lines of one's own that no record of Langfuse has."""
LANGFUSE = {"project_id", "projectId", "environment", "htmlPath", "public", "release", "bookmarked"}
"""Fields of its traces that no line of one's own has by chance."""


class Reject(NamedTuple):
    """What could not be read: its line (or item), why, and how it begins."""

    line: int
    reason: str
    text: str


class Readers:
    """How each format is read, with what was read before of things that lie in several places."""

    def __init__(self) -> None:
        self._chats, self._otlp = chatlog.Chats(), otlp.Otlp()

    def read(self, form: str, record: dict[str, Any]) -> Iterator[Event]:
        """Events of an object."""
        match form:
            case "openinference" if recognise(record) != "otlp":
                return openinference.read_export(record)
            case "otlp" | "openinference":
                return self._otlp.read(record)
            case "langfuse":
                return langfuse.read(record)
            case "openai" | "flywheel":
                return self._chats.read(record)
            case _:
                return plain.read(record)

    def rest(self) -> Iterator[tuple[str, list[Event | Reject]]]:
        """The format and the events of what waited for something that did not come."""
        found = [_rejected(event, 0) for event in self._otlp.rest()]
        if found:
            yield "otlp", found


def read(
    path: Path, form: str | None = None, readers: Readers | None = None
) -> Iterator[tuple[str, list[Event | Reject]]]:
    """Read a file in blocks.

    Args:
        path: JSONL or a JSON array, plain, gzip or zstd; `-` is standard input; OTLP in protobuf.
        form: The format, a key of `MAPPINGS`; recognised by the first object unless given.
        readers: Those of the files before, of the same import; their `rest` is the caller's to take.

    Yields:
        The format, and the events of a block in their order.

    Raises:
        UserError: There is no such file or format, or it cannot be read at all.
    """
    if form is not None and form not in MAPPINGS:
        raise UserError(f"there is no format {form!r}", where="--from", fix=f"use {', '.join(MAPPINGS)}")
    readers = readers or Readers()
    for objects in _objects(path, form):
        form = form or _first(objects)
        yield form, [event for number, found in objects for event in _events(number, found, form, readers)]


def recognise(record: dict[str, Any]) -> str:
    """The format that an object has; plain JSONL where it has no other."""
    names = record.keys()
    if names & {"resourceSpans", "resourceLogs", "resource_spans", "resource_logs"}:
        return "otlp"
    if names & {"span_kind", "context.span_id"} or "span_id" in (record.get("context") or {}):
        return "openinference"
    if _of_langfuse(names):
        return "langfuse"
    if "custom_id" in names and names & {"body", "response"}:
        return "openai"
    if {"request", "response"} <= names:
        return "flywheel" if names & {"workload_id", "client_id"} else "openai"
    return "openai" if "choices" in names else "jsonl"


def _of_langfuse(names: Collection[str]) -> bool:
    """Whether an observation, a score or a trace of Langfuse has such fields."""
    has = set(names)
    if has & OWN or {"request", "response"} <= has:
        return False
    if has & {"traceId", "trace_id"} and has & {"startTime", "start_time", "type", "dataType", "data_type"}:
        return True
    if has & {"traceId", "trace_id", "sessionId", "session_id"} and {"name", "value"} <= has:
        return True
    answered = bool(has & {"output", "response", "completion", "answer"})
    known = has & LANGFUSE or (has & {"sessionId", "userId", "tags", "metadata"} and not answered)
    return ({"id", "timestamp"} <= has and bool(known)) or "observations" in has


def _first(objects: list[tuple[int, dict[str, Any] | Reject]]) -> str:
    return next((recognise(found) for _, found in objects if isinstance(found, dict)), "jsonl")


def _objects(path: Path, form: str | None) -> Iterator[list[tuple[int, dict[str, Any] | Reject]]]:
    """Objects with their line numbers, a block at a time."""
    if _binary(path, form):
        from loop.imports.protobuf import exports

        for number, export in exports(path):
            yield [(number, Reject(number, "the file is cut here", "") if export is None else export)]
        return
    found = blocks(path)
    for block in _together(found):
        last = block.numbers.stop - 1
        lines = zip(block.numbers, block.lines(), strict=True)
        objects: list[tuple[int, dict[str, Any] | Reject]]
        objects = [(n, _object(n, line)) for n, line in lines if line.strip()]
        yield objects + ([(last, Reject(last, block.cut, ""))] if block.cut else [])


def _together(found: Iterator[Block]) -> Iterator[Block]:
    """Blocks of lines; one object over all lines, as in a pretty-printed export, becomes one line."""
    for block in found:
        if block.first == 1 and next(iter(block.lines()), b"").strip() == b"{":
            lines = chain(block.lines(), *(more.lines() for more in found))
            yield block._replace(items=[b"\n".join(lines)])
        else:
            yield block


def _object(number: int, line: bytes) -> dict[str, Any] | Reject:
    text = line[:500].decode("utf8", "replace")
    if _too_deep(line):
        return Reject(number, "nested too deeply", text)
    try:
        return decode(line)
    except Fault as fault:
        return Reject(number, fault.reason, text)


def _events(
    number: int, found: dict[str, Any] | Reject, form: str, readers: Readers
) -> Iterator[Event | Reject]:
    if isinstance(found, Reject):
        yield found
        return
    yield from (_rejected(event, number) for event in tried(readers.read(form, found), found))


def _rejected(event: Event, number: int) -> Event | Reject:
    if not isinstance(event, Refused):
        return event
    return Reject(number, event.reason, json.dumps(event.record, ensure_ascii=False)[:500])


def _too_deep(line: bytes) -> bool:
    """Whether a text of JSON is nested so deep that nobody who walks through it comes to its end."""
    if line.count(b"{") + line.count(b"[") <= DEEPEST:
        return False
    text = np.frombuffer(line, dtype=np.uint8)
    opens, closes = ((text == ord(a)) | (text == ord(b)) for a, b in ("{[", "}]"))
    return int(np.cumsum(opens.astype(np.int64) - closes).max()) > DEEPEST


def _binary(path: Path, form: str | None) -> bool:
    """Whether a file is protobuf: not packed, no text that begins as JSON does, with bytes of no text."""
    if form not in {None, "otlp"} or not path.is_file():
        return False
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head.startswith((GZIP, ZSTD)) or JSON_BEGINS.match(head):
        return False
    return any(byte < 9 for byte in head)
