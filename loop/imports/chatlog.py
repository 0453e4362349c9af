"""Chat logs: request and response of the OpenAI API, flywheel logs of them, and plain JSONL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.rows import short_hash
from loop.imports.event import Call, Label, Skipped, Unreadable
from loop.imports.fields import Fields, as_object, as_texts
from loop.imports.turns import said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 1
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "stop",
    "n",
    "frequency_penalty",
    "presence_penalty",
)
ASKED = {"messages", "metadata", *SAMPLING}
ANSWERED = {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
"""Which fields of a stored completion are of the request, and which of the response."""
IDS = ("id", "event_id", "trace_id", "request_id")
TIMES = ("time", "timestamp", "created_at", "created", "start_time")
USERS = ("user_id", "user", "metadata.user_id")
CONVERSATIONS = (
    "conversation_id",
    "session_id",
    "thread_id",
    "metadata.conversation_id",
    "metadata.session_id",
)
RATINGS = ("rating", "feedback.rating", "feedback.score", "user_rating", "thumbs")
COMMENTS = ("feedback.comment", "feedback.text", "comment")
THUMBS = {"up": 1.0, "down": 0.0, "positive": 1.0, "negative": 0.0, "like": 1.0, "dislike": 0.0, "true": 1.0}
THUMBS |= {"false": 0.0}


def read_pair(record: dict[str, Any]) -> Iterator[Event]:
    """A request and the response to it, `{"request": {…}, "response": {…}}`, with what a log adds to them."""
    beside = Fields({k: v for k, v in record.items() if k not in {"request", "response"}})
    asked, answered = Fields(_body(record.get("request"))), Fields(_body(record.get("response")))
    choices = answered.take("choices")
    if not isinstance(choices, list) or not choices:
        yield Skipped("request without an answer")
        return
    event = answered.text("id") or beside.text(*IDS) or short_hash(record)
    given = asked.take("messages")
    model, client = answered.text("model") or asked.text("model") or "", beside.text("client_id")
    asked.take("model", reads=lambda named: named if named == model else None)
    created = answered.time("created")
    yield Call(
        event=event,
        time=beside.time(*TIMES) or created,
        model=model,
        workload=beside.text("workload_id", "workload"),
        user_id=asked.text("user", "metadata.user_id") or beside.text(*USERS),
        conversation_id=beside.text(*CONVERSATIONS) or asked.text("metadata.conversation_id"),
        messages=turns(given if given is not None else asked.take("prompt")),
        output=_choice(choices[0]),
        tags=[f"client:{client}"] if client else [],
        finish_reason=choices[0].get("finish_reason"),
        prompt_tokens=answered.count("usage.prompt_tokens"),
        output_tokens=answered.count("usage.completion_tokens"),
        latency=_latency(beside),
        cost=beside.number("cost"),
        sampling=_sampling(asked),
        labels=_labels(beside, event),
        payload=record,
        unmapped=_unmapped(beside, asked, answered, choices),
    )


def read_stored(record: dict[str, Any]) -> Iterator[Event]:
    """A stored completion: the response itself, with the `messages` that it answered."""
    parts: dict[str, dict[str, Any]] = {"request": {}, "response": {}}
    beside: dict[str, Any] = {}
    for key, value in record.items():
        where = "request" if key in ASKED else "response" if key in ANSWERED else ""
        (parts[where] if where else beside)[key] = value
    for event in read_pair(parts | beside):
        yield event if not isinstance(event, Call) else _as_it_came(event, record)


def read_plain(record: dict[str, Any]) -> Iterator[Event]:
    """A line of one's own: `messages` that end with the answer, or a prompt and an output.

    A line without an id has the hash of its content.
    """
    fields = Fields(record)
    event = fields.text(*IDS) or short_hash(record)
    given = fields.take("messages", "prompt", "input", "question")
    answer = fields.take("output", "response", "completion", "answer")
    if given is None:
        raise Unreadable("neither messages nor a prompt")
    prompt = turns(given)
    if answer is None and prompt and prompt[-1]["role"] == "assistant":
        answer = prompt.pop()
    if answer is None or not prompt:
        yield Skipped("prompt without an answer" if prompt else "answer without a prompt")
        return
    answering = turn(answer, "assistant")
    yield Call(
        event=event,
        time=fields.time(*TIMES),
        model=fields.text("model") or "",
        workload=fields.text("workload", "workload_id"),
        user_id=fields.text(*USERS),
        conversation_id=fields.text(*CONVERSATIONS),
        messages=prompt,
        output=said(answering),
        reference=fields.text("reference"),
        tags=as_texts(fields.take("tags")),
        prompt_tokens=fields.count("prompt_tokens", "usage.prompt_tokens", "usage.input_tokens"),
        output_tokens=fields.count("output_tokens", "usage.completion_tokens", "usage.output_tokens"),
        latency=_latency(fields),
        cost=fields.number("cost"),
        finish_reason=fields.text("finish_reason"),
        sampling=_sampling(fields) | as_object(fields.take("sampling")),
        labels=_labels(fields, event),
        payload=record,
        unmapped=fields.rest() + unsaid(answering),
    )


def _body(value: object) -> dict[str, Any]:
    """A request or a response; batch files have the body one level down."""
    found = as_object(value)
    return as_object(found["body"]) if isinstance(found.get("body"), dict) else found


def _choice(choice: dict[str, Any]) -> str:
    return said(turn(choice.get("message") or choice.get("text") or "", "assistant"))


def _latency(fields: Fields) -> float | None:
    """Seconds, from a field in seconds or in milliseconds."""
    seconds, milliseconds = fields.number("latency", "latency_s"), fields.number("latency_ms")
    return seconds if seconds is not None or milliseconds is None else milliseconds / 1000


def _sampling(fields: Fields) -> dict[str, Any]:
    found = {name: fields.take(name) for name in SAMPLING}
    return {name: value for name, value in found.items() if value is not None}


def _labels(fields: Fields, event: str) -> list[Label]:
    """The rating and the comment of the user, as one label."""
    rating, comment = fields.take(*RATINGS, "feedback", reads=_rating), fields.text(*COMMENTS)
    if rating is None and comment is None:
        return []
    word = None if rating is None else str(rating).lower()
    number = THUMBS.get(word or "", None)
    if number is None and isinstance(rating, int | float):
        number = float(rating)
    label = str(rating) if isinstance(rating, str | bool) else None
    return [Label(name="rating", event=event, score=number, label=label, comment=comment, key=event)]


def _rating(value: object) -> object:
    return value if isinstance(value, str | int | float) else None


def _unmapped(beside: Fields, asked: Fields, answered: Fields, choices: list[Any]) -> list[str]:
    for known in ("object", "usage.total_tokens"):
        answered.take(known)
    first = turn(choices[0].get("message") or choices[0].get("text") or "", "assistant")
    told = {"index", "message", "text", "finish_reason"}
    found = unsaid(first) + [f"response.choices[0].{k}" for k, v in choices[0].items() if k not in told and v]
    found += [f"response.choices[{n}]" for n in range(1, len(choices))] + beside.rest()
    return found + [f"request.{p}" for p in asked.rest()] + [f"response.{p}" for p in answered.rest()]


def _as_it_came(call: Call, record: dict[str, Any]) -> Call:
    call.payload = record
    call.unmapped = [path.removeprefix("request.").removeprefix("response.") for path in call.unmapped]
    return call
