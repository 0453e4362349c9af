"""Langfuse: observations, traces and scores of its exports, as the API or the blob storage names them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loop.imports.event import Call, Label, Run, Skipped, Unreadable, tried
from loop.imports.fields import Fields, as_number, as_object, as_texts, decoded
from loop.imports.turns import conversation, is_turn, said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 2
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


JSONS = (
    "usage_details",
    "cost_details",
    "usage",
    "metadata",
    "model_parameters",
    "tags",
    "observations",
    "scores",
)
"""Fields that a blob export has as the JSON of them."""


def read(record: dict[str, Any]) -> Iterator[Event]:
    """Events of one record: an observation, a trace (with what is inside it), or a score.

    Raises:
        Unreadable: It is none of these.
    """
    snake = {_HUMP.sub(r"_\1", key).lower(): value for key, value in record.items()}
    snake |= {name: decoded(snake[name]) for name in JSONS if name in snake}
    observed = "start_time" in snake or "type" in snake
    if "data_type" in snake or ("value" in snake and "name" in snake and not observed):
        yield _score(snake, record)
    elif snake.get("trace_id") and observed:
        yield from _observation(snake, record)
    elif "id" in snake and ("timestamp" in snake or "observations" in snake):
        yield from _trace(snake, record)
    else:
        raise Unreadable("neither an observation, a trace nor a score of Langfuse")


def _trace(snake: dict[str, Any], record: dict[str, Any]) -> Iterator[Event]:
    fields = Fields(snake)
    identity, moment = str(fields.take("id")), fields.time("timestamp")
    for known in OURS:
        fields.take(known)
    inside = [o for o in as_list(fields.take("observations")) if isinstance(o, dict)]
    scores = [s for s in as_list(fields.take("scores")) if isinstance(s, dict)]
    yield Run(
        event=identity,
        name=fields.text("name"),
        user_id=fields.text("user_id"),
        conversation_id=fields.text("session_id"),
        tags=as_texts(fields.take("tags")),
        time=moment,
        payload={k: v for k, v in record.items() if k not in {"observations", "scores"}},
        unmapped=[f"trace.{path}" for path in fields.rest()],
    )
    for part in inside:
        yield from tried(read({"traceId": identity} | part), part)
    for part in scores:
        yield from tried(read({"traceId": identity, "timestamp": record.get("timestamp")} | part), part)


def _observation(snake: dict[str, Any], record: dict[str, Any]) -> Iterator[Event]:
    fields = Fields(snake)
    kind = str(fields.take("type") or "").upper()
    given, answered = fields.take("input"), fields.take("output")
    if kind != "GENERATION":
        yield Skipped("observation that is no model call")
        return
    if given is None or answered is None:
        yield Skipped("model call without its messages", tuple(fields.rest()))
        return
    start, end = fields.time("start_time"), fields.time("end_time")
    seconds = (end - start).total_seconds() if start and end else None
    told, (answer, before) = fields.number("latency"), _answer(answered)
    for known in OURS:
        fields.take(known)
    yield Call(
        event=str(fields.take("id")),
        run=str(fields.take("trace_id")),
        time=start,
        model=fields.text("provided_model_name", "model") or "",
        workload=fields.text("trace_name", "name"),
        user_id=fields.text("user_id"),
        conversation_id=fields.text("session_id"),
        messages=turns(given),
        output=said(answer),
        tags=as_texts(fields.take("tags")),
        prompt_tokens=fields.count("usage_details.input", "usage.input", "prompt_tokens"),
        output_tokens=fields.count("usage_details.output", "usage.output", "completion_tokens"),
        latency=seconds if seconds is not None else told,
        cost=fields.number("cost_details.total", "total_cost", "calculated_total_cost"),
        sampling=as_object(fields.take("model_parameters")),
        payload=record,
        unmapped=fields.rest() + unsaid(answer) + [f"output[{n}]" for n in range(before)],
    )


def as_list(value: object) -> list[Any]:
    """A list, from a list or its JSON; empty otherwise."""
    value = decoded(value)
    return value if isinstance(value, list) else []


def _answer(value: Any) -> tuple[dict[str, Any], int]:  # noqa: ANN401
    """The answering turn of an output, and how many turns stand before it.

    An output is text, a turn, turns that end with the answer, or a whole response.
    """
    whole = decoded(value)
    if isinstance(whole, dict) and isinstance(whole.get("choices"), list) and whole["choices"]:
        first = whole["choices"][0]
        return turn(first.get("message", first), "assistant"), 0
    value = conversation(value)
    if isinstance(value, list) and value and all(map(is_turn, value)):
        return turn(value[-1], "assistant"), len(value) - 1
    return turn(value, "assistant"), 0


def _score(snake: dict[str, Any], record: dict[str, Any]) -> Event:
    fields = Fields(snake)
    said_ = fields.text("string_value")
    value = fields.take("value")
    event, run = fields.text("observation_id"), fields.text("trace_id")
    for known in (*OURS, "data_type", "config_id"):
        fields.take(known)
    if event is None and run is None:
        return Skipped("score that is about no call and no trace", tuple(fields.rest()))
    person = fields.text("author_user_id")
    return Label(
        name=fields.text("name") or "score",
        event=event,
        run=run,
        author=person or (fields.text("source") or "langfuse").lower(),
        score=as_number(value),
        label=said_ if said_ is not None else value if isinstance(value, str) else None,
        comment=fields.text("comment"),
        time=fields.time("timestamp", "created_at"),
        key=fields.text("id"),
        payload=record,
        unmapped=[f"score.{path}" for path in fields.rest()],
    )
