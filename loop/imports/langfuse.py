"""Langfuse: observations, traces and scores of its exports, as the API or the blob storage names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from loop.imports.event import Call, Label, Skipped, Unreadable
from loop.imports.fields import Fields, as_number, as_object, as_texts, decoded
from loop.imports.turns import said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 1
_HUMP = re.compile(r"(?<=[a-z0-9])([A-Z])")
OURS = (
    "project_id",
    "environment",
    "level",
    "type",
    "internal_model_id",
    "prompt_id",
    "created_at",
    "updated_at",
)
"""Fields that say where a record lies, or how Langfuse sees it."""


class Trace(NamedTuple):
    """What a trace says about all observations in it."""

    user_id: str | None
    conversation_id: str | None
    tags: list[str]
    name: str | None


class Langfuse:
    """Reads records in any order of files, but a trace before its observations, whose user it knows."""

    def __init__(self) -> None:
        self._traces: dict[str, Trace] = {}

    def read(self, record: dict[str, Any]) -> Iterator[Event]:
        """Events of one record: an observation, a trace (with what is inside it), or a score.

        Raises:
            Unreadable: It is none of these.
        """
        snake = {_HUMP.sub(r"_\1", key).lower(): value for key, value in record.items()}
        if "data_type" in snake or ("value" in snake and "name" in snake):
            yield _score(snake)
        elif snake.get("trace_id") and ("start_time" in snake or "type" in snake):
            yield from self._observation(snake, record)
        elif "id" in snake and ("timestamp" in snake or "observations" in snake):
            yield from self._trace(snake, record)
        else:
            raise Unreadable("neither an observation, a trace nor a score of Langfuse")

    def _trace(self, snake: dict[str, Any], record: dict[str, Any]) -> Iterator[Event]:
        fields = Fields(snake)
        for known in ("timestamp", *OURS):
            fields.take(known)
        self._traces[str(fields.take("id"))] = Trace(
            fields.text("user_id"),
            fields.text("session_id"),
            as_texts(fields.take("tags")),
            fields.text("name"),
        )
        inside = [o for o in as_list(fields.take("observations")) if isinstance(o, dict)]
        for part in [*inside, *(s for s in as_list(fields.take("scores")) if isinstance(s, dict))]:
            yield from self.read({"traceId": record["id"]} | part)
        yield Skipped(
            "trace: its observations are the calls", tuple(f"trace.{path}" for path in fields.rest())
        )

    def _observation(self, snake: dict[str, Any], record: dict[str, Any]) -> Iterator[Event]:
        fields = Fields(snake)
        kind = str(fields.take("type") or "").upper()
        given, answered = fields.take("input"), fields.take("output")
        if kind != "GENERATION" or given is None or answered is None:
            yield Skipped(
                "observation that is no model call"
                if kind != "GENERATION"
                else "model call without its messages"
            )
            return
        run = str(fields.take("trace_id"))
        about = self._traces.get(run, Trace(None, None, [], None))
        start, end = fields.time("start_time"), fields.time("end_time")
        seconds = (end - start).total_seconds() if start and end else None
        told, answer = fields.number("latency"), _answer(answered)
        for known in OURS:
            fields.take(known)
        yield Call(
            event=str(fields.take("id")),
            run=run,
            time=start,
            model=fields.text("provided_model_name", "model") or "",
            workload=fields.text("trace_name") or about.name or fields.text("name"),
            user_id=fields.text("user_id") or about.user_id,
            conversation_id=fields.text("session_id") or about.conversation_id,
            messages=turns(given),
            output=said(answer),
            tags=as_texts(fields.take("tags")) or about.tags,
            prompt_tokens=fields.count("usage_details.input", "usage.input", "prompt_tokens"),
            output_tokens=fields.count("usage_details.output", "usage.output", "completion_tokens"),
            latency=seconds if seconds is not None else told,
            cost=fields.number("cost_details.total", "total_cost", "calculated_total_cost"),
            sampling=as_object(fields.take("model_parameters")),
            payload=record,
            unmapped=fields.rest() + unsaid(answer),
        )


def as_list(value: object) -> list[Any]:
    """A list, from a list or its JSON; empty otherwise."""
    value = decoded(value)
    return value if isinstance(value, list) else []


def _answer(value: Any) -> dict[str, Any]:  # noqa: ANN401
    """The answering turn of an output: text, a turn, a list that ends with it, or a whole response."""
    value = decoded(value)
    if isinstance(value, dict) and isinstance(value.get("choices"), list) and value["choices"]:
        value = value["choices"][0].get("message", value["choices"][0])
    if isinstance(value, list) and value:
        value = value[-1]
    return turn(value, "assistant")


def _score(snake: dict[str, Any]) -> Label:
    fields = Fields(snake)
    said_ = fields.take("string_value")
    value = fields.take("value")
    for known in (*OURS, "data_type", "config_id"):
        fields.take(known)
    label = Label(
        name=str(fields.take("name")),
        event=fields.text("observation_id"),
        run=fields.text("trace_id"),
        author=str(fields.take("author_user_id") or fields.take("source") or "langfuse").lower(),
        score=as_number(value),
        label=str(said_) if said_ is not None else value if isinstance(value, str) else None,
        comment=fields.text("comment"),
        time=fields.time("timestamp", "created_at"),
        key=fields.text("id"),
    )
    label.unmapped = [f"score.{path}" for path in fields.rest()]
    return label
