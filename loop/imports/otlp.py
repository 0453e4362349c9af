"""OpenTelemetry: spans and log records of an OTLP export, with GenAI or OpenInference attributes."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from loop.imports import genai, openinference
from loop.imports.apart import Apart
from loop.imports.event import Call, Event, Skipped, tried
from loop.imports.fields import as_text, as_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

READ = {"traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano", "startTime", "endTime"}
READ |= {"attributes", "events", "eventName", "timeUnixNano", "observedTimeUnixNano", "body"}
"""Fields of a span, of an event in it and of a log record that are read."""
RESOURCE = {"service.name", "openinference.project.name"}
HEX = 32
"""Digits of a trace id; the JSON that protobuf makes has it in base64 instead."""


class Otlp:
    """Reads exports; a call whose span and log records lie apart is put together from both."""

    def __init__(self) -> None:
        self._apart = Apart()

    def read(self, record: dict[str, Any]) -> Iterator[Event]:
        """Events of one export: an object with `resourceSpans` or `resourceLogs`."""
        for group in _get(record, "resourceSpans") or []:
            resource = attributes(_get(group.get("resource") or {}, "attributes"))
            for scope in _get(group, "scopeSpans") or []:
                for raw in scope.get("spans") or []:
                    yield from tried(self._span(raw, resource), raw)
        for group in _get(record, "resourceLogs") or []:
            resource = attributes(_get(group.get("resource") or {}, "attributes"))
            for scope in _get(group, "scopeLogs") or []:
                for raw in _get(scope, "logRecords") or []:
                    yield from tried(self._log(raw, resource), raw)

    def rest(self) -> list[Event]:
        """Events of the calls that waited for more."""
        return [event for whole in self._apart.rest() for event in tried(span(*whole), whole[0])]

    def _span(self, raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
        raw = _plain(raw)
        if genai.knows(raw) and not openinference.knows(raw["attributes"]) and not genai.has_messages(raw):
            for whole in self._apart.span(raw, resource):
                yield from span(*whole)
        else:
            yield from span(raw, resource)

    def _log(self, raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
        """An event that stands by itself: a verdict, or the details or one message of a call."""
        raw = _plain(raw)
        name = raw.get("eventName") or raw["attributes"].get("event.name")
        if name == genai.EVALUATION:
            label = genai.evaluation(raw["attributes"], raw, _moment(raw))
            label.payload = {**raw, "resource": resource} if resource else raw
            label.unmapped += _beside(raw, READ, "log") + _foreign(resource)
            yield label
        elif name in genai.EVENTS:
            for whole in self._apart.log(raw | {"eventName": name}, resource):
                yield from span(*whole)
        else:
            yield Skipped("log record that is no model call")


def span(raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
    """Events of one span, whose attributes are an object by now.

    Args:
        raw: `traceId`, `spanId`, `name`, `attributes`, `events`, times in nanoseconds or ISO 8601.
        resource: Attributes of what sent it.
    """
    if openinference.knows(raw["attributes"]):
        yield from _whole(openinference.read(raw, resource), raw, resource)
    elif genai.knows(raw):
        yield from _whole(genai.read(raw, resource), raw, resource)
    else:
        yield Skipped("span that is no model call")
    for event in raw.get("events") or []:
        if event.get("name") == genai.EVALUATION:
            moment = _moment(event) or as_time(raw.get("startTimeUnixNano"))
            yield genai.evaluation(event["attributes"], raw, moment)


def _moment(record: dict[str, Any]) -> datetime | None:
    return as_time(record.get("timeUnixNano")) or as_time(record.get("observedTimeUnixNano"))


def _whole(found: Iterator[Event], raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
    """Calls with what stands beside the attributes of their span, and about what sent it."""
    for event in found:
        if isinstance(event, Call):
            event.payload = {**raw, "resource": resource} if resource else raw
            event.unmapped += _beside(raw, READ, "span")
            event.unmapped += _foreign(resource)
            for inner in raw.get("events") or []:
                name = inner.get("name", "")
                event.unmapped += _beside(inner, READ, f"event {name}")
                event.unmapped += [] if name in genai.EVENTS else [f"event {name}"]
        yield event


def _beside(record: dict[str, Any], known: set[str], what: str) -> list[str]:
    return [f"{what}.{k}" for k, v in record.items() if k not in known and v not in (None, "", [], {})]


def _foreign(resource: dict[str, Any]) -> list[str]:
    return [f"resource.{key}" for key in resource if key not in RESOURCE or as_text(resource[key]) is None]


def attributes(pairs: Any) -> dict[str, Any]:  # noqa: ANN401
    """Attributes as an object, from OTLP's list of keys and typed values."""
    if isinstance(pairs, dict):
        return pairs
    return {pair["key"]: value(pair.get("value") or {}) for pair in pairs or []}


def value(typed: dict[str, Any]) -> Any:  # noqa: ANN401
    """A plain value from OTLP's AnyValue, such as `{"intValue": "3"}`."""
    for kind, content in typed.items():
        match kind:
            case "intValue" | "int_value":
                return int(content)
            case "arrayValue" | "array_value":
                return [value(entry) for entry in content.get("values") or []]
            case "kvlistValue" | "kvlist_value":
                return attributes(content.get("values"))
            case _:
                return content
    return None


def _plain(raw: dict[str, Any]) -> dict[str, Any]:
    """A span or a log record with attributes as objects and ids in hexadecimal."""
    events = [e | {"attributes": attributes(e.get("attributes"))} for e in raw.get("events") or []]
    ids = {key: _hexadecimal(raw[key]) for key in ("traceId", "spanId", "parentSpanId") if raw.get(key)}
    return {
        **raw,
        "attributes": attributes(raw.get("attributes")),
        **({"body": value(raw["body"])} if isinstance(raw.get("body"), dict) else {}),
        **({"events": events} if events else {}),
        **ids,
    }


def _hexadecimal(identity: str) -> str:
    if len(identity) in {HEX, HEX // 2}:
        return identity.lower()
    try:
        return base64.b64decode(identity, validate=True).hex()
    except (binascii.Error, ValueError):
        return identity


def _get(record: dict[str, Any], name: str) -> Any:  # noqa: ANN401
    """A field under its name in JSON, or in protobuf (`resource_spans`)."""
    snake = "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    return record.get(name, record.get(snake))
