"""OTLP in protobuf: one export, or a file of them each behind its length, as the Collector writes it."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from curation.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LENGTH = 4
"""Bytes of a message's length before it, the highest first."""
MESSAGE = b"\n"
"""How an export begins; a length that does is one of 160 MiB."""


def exports(path: Path) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Each export of a file as the object that OTLP's JSON has, with its number from 1.

    None stands for the last one of a file that is cut, behind some that are whole.

    Raises:
        UserError: opentelemetry-proto is not installed, or this is no OTLP.
    """
    if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.protobuf") is None:
        fix = "run `pip install 'regrind[otlp]'`, or let the Collector write JSON"
        raise UserError("protobuf cannot be read without opentelemetry-proto", where=str(path), fix=fix)
    from google.protobuf.message import DecodeError

    try:
        for number, message in enumerate(_messages(path), start=1):
            yield number, None if message is None else _decode(message)
    except DecodeError as fault:
        fix = "name the format with --from, or export again"
        raise UserError("this is no OTLP in protobuf", where=str(path), fix=fix) from fault


def _messages(path: Path) -> Iterator[bytes | None]:
    """The messages of a file, one at a time where they have their lengths."""
    if not _framed(path):
        yield path.read_bytes()
        return
    size = path.stat().st_size
    with path.open("rb") as stream:
        while head := stream.read(LENGTH):
            length = int.from_bytes(head, "big")
            if len(head) < LENGTH or not 0 < length <= size - stream.tell():
                yield None
                return
            yield stream.read(length)


def _framed(path: Path) -> bool:
    """Whether lengths lead through the file, to its end or to where it is cut."""
    place, size, whole = 0, path.stat().st_size, 0
    with path.open("rb") as stream:
        unframed = stream.peek(1)[:1] == MESSAGE
        while place + LENGTH <= size:
            stream.seek(place)
            length = int.from_bytes(stream.read(LENGTH), "big")
            place += LENGTH + length
            if not length:
                break
            whole += place <= size
    return whole > 0 and (place == size or not unframed)


def _decode(message: bytes) -> dict[str, Any]:
    """An export of spans, or else of log records: the two differ in what lies inside."""
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    spans = ExportTraceServiceRequest()
    try:
        spans.ParseFromString(message)
    except DecodeError:
        spans.Clear()
    if any(
        span.span_id for group in spans.resource_spans for scope in group.scope_spans for span in scope.spans
    ):
        found: dict[str, Any] = MessageToDict(spans)
        return found
    logs = ExportLogsServiceRequest()
    logs.ParseFromString(message)
    if not logs.resource_logs:
        raise DecodeError("neither spans nor log records")
    told: dict[str, Any] = MessageToDict(logs)
    return told
