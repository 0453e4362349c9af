"""OpenTelemetry's GenAI conventions: one span a call, and older spans with an event a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loop.imports.event import Call, Label, Skipped, Unreadable
from loop.imports.fields import Fields, as_text, as_texts, as_time, decoded, numbered
from loop.imports.turns import conversation, is_turn, said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from loop.imports.event import Event

MAPPING = 2
EVALUATION = "gen_ai.evaluation.result"
EVALUATED = "gen_ai.evaluation."
DETAILS = "gen_ai.client.inference.operation.details"
CALLS = {"chat", "text_completion", "generate_content", None}
"""Operations that are calls of a model; agents and tools have spans of their own."""
KNOWN = ("gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.system", "gen_ai.response.id", "event.name")
"""What every call has, and the payload keeps."""
SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "seed",
    "stop_sequences",
    "frequency_penalty",
    "presence_penalty",
    "choice.count",
)
ROLES = {"gen_ai.system.message": "system", "gen_ai.user.message": "user"}
ROLES |= {"gen_ai.assistant.message": "assistant", "gen_ai.tool.message": "tool"}
MESSAGES = {*ROLES, DETAILS, "gen_ai.choice", "gen_ai.content.prompt", "gen_ai.content.completion"}
EVENTS = {*MESSAGES, EVALUATION}
TEXTS = ("gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages")
INDEXED = ("gen_ai.prompt", "gen_ai.completion")
"""Attributes that hold the messages; of the indexed ones `gen_ai.prompt.0.content` is a part."""
_PART = re.compile(r"gen_ai\.(prompt|completion)\.\d+\.")


def knows(span: dict[str, Any]) -> bool:
    """Whether a span or a log record is a call of a model in these conventions."""
    found = span["attributes"]
    told = any(name in found for name in ("gen_ai.system", "gen_ai.provider.name", "gen_ai.request.model"))
    return (told or has_messages(span)) and found.get("gen_ai.operation.name") in CALLS


def has_messages(span: dict[str, Any]) -> bool:
    """Whether the messages of a call are in its span."""
    if any(event.get("name") in MESSAGES for event in span.get("events") or []):
        return True
    return any(name in TEXTS or name in INDEXED or _PART.match(name) for name in span["attributes"])


def read(span: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
    """The call of a span.

    Raises:
        Unreadable: It has no id, or its messages cannot be read.
    """
    details = [e["attributes"] for e in span.get("events") or [] if e.get("name") == DETAILS]
    found = {key: entry for given in (*details, span["attributes"]) for key, entry in given.items()}
    fields = Fields({k: v for k, v in found.items() if not _PART.match(k)}, flat=True)
    prompt, answers = _messages(span, found, fields)
    response = fields.text("gen_ai.response.id")
    for known in KNOWN:
        fields.take(known)
    if not prompt or not answers:
        yield Skipped("model call without its messages", tuple(fields.rest()))
        return
    reasons = as_texts(fields.take("gen_ai.response.finish_reasons"))
    start, end = (as_time(span.get(f"{name}TimeUnixNano")) for name in ("start", "end"))
    sampling = {name: fields.take(f"gen_ai.request.{name}") for name in SAMPLING}
    yield Call(
        event=identity(span),
        run=span.get("traceId"),
        response=response,
        time=start,
        model=fields.text("gen_ai.response.model", "gen_ai.request.model") or "",
        workload=as_text(resource.get("service.name")),
        user_id=fields.text("user.id", "enduser.id"),
        conversation_id=fields.text("gen_ai.conversation.id", "session.id"),
        messages=prompt,
        output=said(answers[0]),
        prompt_tokens=fields.count("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=fields.count("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        latency=(end - start).total_seconds() if start and end else None,
        finish_reason=reasons[0] if reasons else as_text(answers[0].get("finish_reason")),
        sampling={name: entry for name, entry in sampling.items() if entry is not None},
        payload=span,
        unmapped=fields.rest() + unsaid(answers[0]) + [f"answer {n + 1}" for n in range(1, len(answers))],
    )


def identity(span: dict[str, Any]) -> str:
    """The id of a call: its span, within its trace; for a log record the id of the response will do."""
    if span.get("spanId"):
        return f"{span.get('traceId', '')}/{span['spanId']}"
    if found := span["attributes"].get("gen_ai.response.id"):
        return str(found)
    raise Unreadable("neither a span id nor a gen_ai.response.id")


def evaluation(attributes: dict[str, Any], of: dict[str, Any], moment: datetime | None) -> Label:
    """The label that an evaluation event is.

    Args:
        attributes: Of the event.
        of: The span that it stands in, or the log record that it is.
        moment: When; None where nobody says.
    """
    fields = Fields(attributes, flat=True)
    for known in KNOWN:
        fields.take(known)
    return Label(
        name=fields.text(f"{EVALUATED}name") or "evaluation",
        known_trace=fields.text("regrind.trace"),
        event=identity({**of, "attributes": attributes}),
        run=of.get("traceId") or None,
        author=fields.text("regrind.judge") or "opentelemetry",
        score=fields.number(f"{EVALUATED}score.value"),
        label=fields.text(f"{EVALUATED}score.label"),
        comment=fields.text(f"{EVALUATED}explanation"),
        time=moment,
        unmapped=[f"evaluation {path}" for path in fields.rest()],
    )


def _messages(
    span: dict[str, Any], found: dict[str, Any], fields: Fields
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Prompt and answers, from the newest form that the span has."""
    system, given, answered = (fields.take(name) for name in TEXTS)
    if given is not None or answered is not None:
        instructions = [{"role": "system", "parts": decoded(system)}] if system else []
        return [*map(turn, instructions), *(turns(given) if given else [])], _answers(answered)
    prompt, completion = (fields.take(name) for name in INDEXED)
    if prompt is not None:
        return turns(prompt), _answers(completion)
    prompt, completion = (list(map(_indexed, numbered(found, name))) for name in INDEXED)
    return (prompt, completion) if prompt or completion else _older(span)


def _indexed(entry: dict[str, Any]) -> dict[str, Any]:
    """A turn from attributes below one number, such as `gen_ai.prompt.0.role`."""
    calls = [
        {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": call.get("arguments")}}
        for call in numbered(entry, "tool_calls")
    ]
    others = {k: v for k, v in entry.items() if not k.startswith("tool_calls.")}
    ended = {"finish_reason": entry["finish_reason"]} if entry.get("finish_reason") else {}
    return turn({"content": "", **others, "tool_calls": calls}) | ended


def _answers(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    value = conversation(value)
    several = isinstance(value, list) and all(map(is_turn, value))
    entries = value if several else [value] if value else []
    ended = [e.get("finish_reason") if isinstance(e, dict) else None for e in entries]
    read_ = [turn(entry, "assistant") for entry in entries]
    return [t | ({"finish_reason": why} if why else {}) for t, why in zip(read_, ended, strict=True)]


def _older(span: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages from the events of conventions before 1.37: one a message, one a choice."""
    prompt: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for event in span.get("events") or []:
        found, name = event["attributes"], event.get("name", "")
        body = {k.removeprefix("gen_ai.event."): v for k, v in found.items() if k not in KNOWN}
        body = {k: v if k == "content" else decoded(v) for k, v in body.items()}
        if name in ROLES:
            prompt.append(turn({"role": ROLES[name], "content": ""} | body))
        elif name == "gen_ai.choice":
            answers.append(_choice(body, found.get("message")))
        elif name == "gen_ai.content.prompt":
            prompt += turns(found.get("gen_ai.prompt"))
        elif name == "gen_ai.content.completion":
            answers += _answers(found.get("gen_ai.completion"))
    return prompt, answers


def _choice(body: dict[str, Any], told: Any) -> dict[str, Any]:  # noqa: ANN401
    """The answer of a choice: its message is a turn, or a text whatever it looks like."""
    message = body.get("message")
    inner = (
        message
        if isinstance(message, dict) and is_turn(message)
        else {"content": told or body.get("content")}
    )
    read_ = {"index", "message", "content", "role", "finish_reason"}
    others = {k: v for k, v in body.items() if k not in read_ and v}
    return turn({**others, **inner}, "assistant") | {"finish_reason": body.get("finish_reason")}
