"""Calls whose messages are log records of OpenTelemetry: put together with their spans, in any order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.imports import genai

if TYPE_CHECKING:
    from collections.abc import Iterator

    Whole = tuple[dict[str, Any], dict[str, Any]]

LIMIT = 100_000
"""Calls that wait at most; the oldest goes on as it is."""
ASKED = {"gen_ai.user.message", "gen_ai.tool.message"}
SPAN = ("traceId", "spanId")


class Apart:
    """Spans without messages, and messages without spans, by the id that they have in common."""

    def __init__(self) -> None:
        self._spans: dict[tuple[Any, Any], Whole] = {}
        self._logs: dict[tuple[Any, Any], list[Whole]] = {}

    def span(self, raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Whole]:
        """Take a span without messages; gives it with them, where they are there already."""
        key = raw.get("traceId"), raw.get("spanId")
        self._spans[key] = raw, resource
        yield from self._complete(key)

    def log(self, raw: dict[str, Any], resource: dict[str, Any]) -> Iterator[Whole]:
        """Take a log record; one that says of which span it is waits for it, and for its answer."""
        key = raw.get("traceId"), raw.get("spanId")
        if not key[1]:
            yield _together(None, [(raw, resource)])
            return
        self._logs.setdefault(key, []).append((raw, resource))
        yield from self._complete(key)

    def rest(self) -> Iterator[Whole]:
        """Everything that still waits."""
        for key in list(self._logs):
            yield self._taken(key)
        for key in list(self._spans):
            yield self._taken(key)

    def _complete(self, key: tuple[Any, Any]) -> Iterator[Whole]:
        names = {raw["eventName"] for raw, _ in self._logs.get(key, ())}
        # Records of a call come in their order, the answer last.
        whole = genai.DETAILS in names or ("gen_ai.choice" in names and names & ASKED)
        if key in self._spans and whole:
            yield self._taken(key)
        for waiting in (self._spans, self._logs):
            if len(waiting) > LIMIT:
                yield self._taken(next(iter(waiting)))

    def _taken(self, key: tuple[Any, Any]) -> Whole:
        return _together(self._spans.pop(key, None), self._logs.pop(key, []))


def _together(span: Whole | None, logs: list[Whole]) -> Whole:
    """A span with log records as events in it; without a span, what they say of it."""
    if not logs and span:
        return span
    first, resource = span or logs[0]
    events = [_as_event(raw) for raw, _ in logs]
    if span is None:
        told = {
            k: v for raw, _ in logs if raw["eventName"] == genai.DETAILS for k, v in raw["attributes"].items()
        }
        told = told or logs[0][0]["attributes"]
        moment = first.get("timeUnixNano")
        begun = moment if moment not in {None, "", "0", 0} else first.get("observedTimeUnixNano")
        first = {k: first[k] for k in SPAN if first.get(k)} | {"attributes": told, "startTimeUnixNano": begun}
    return first | {"events": [*(first.get("events") or []), *events]}, resource


def _as_event(raw: dict[str, Any]) -> dict[str, Any]:
    """A log record as the event of a span: what its body says, and what its attributes do."""
    body = raw.get("body")
    told = body if isinstance(body, dict) else {"content": body} if body else {}
    beside = {k: v for k, v in raw.items() if k not in {"eventName", "body", *SPAN}}
    return beside | {"name": raw["eventName"], "attributes": raw["attributes"] | told}
