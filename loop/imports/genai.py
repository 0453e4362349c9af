"""OpenTelemetry's GenAI conventions: one span a call, and older spans with an event a message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.imports.event import Call, Label, Skipped, Unreadable
from loop.imports.fields import Fields, as_texts, as_time, decoded
from loop.imports.turns import said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from loop.imports.event import Event

MAPPING = 1
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
EVENTS = {*ROLES, EVALUATION, DETAILS, "gen_ai.choice", "gen_ai.content.prompt", "gen_ai.content.completion"}


def knows(span: dict[str, Any]) -> bool:
    """Whether a span or a log record is a call of a model in these conventions."""
    found = span["attributes"]
    told = any(name in found for name in ("gen_ai.system", "gen_ai.provider.name", "gen_ai.request.model"))
    return told and found.get("gen_ai.operation.name") in CALLS


def read(span: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
    """The call of a span.

    Raises:
        Unreadable: It has no id, or its messages cannot be read.
    """
    fields = Fields(span["attributes"], flat=True)
    prompt, answers = _messages(span, fields)
    if not prompt or not answers:
        yield Skipped("model call without its messages")
        return
    reasons = as_texts(fields.take("gen_ai.response.finish_reasons"))
    start, end = span.get("startTimeUnixNano"), span.get("endTimeUnixNano")
    sampling = {name: fields.take(f"gen_ai.request.{name}") for name in SAMPLING}
    for known in KNOWN:
        fields.take(known)
    yield Call(
        event=identity(span),
        run=span.get("traceId"),
        time=as_time(start) if start else None,
        model=fields.text("gen_ai.response.model", "gen_ai.request.model") or "",
        workload=resource.get("service.name"),
        user_id=fields.text("user.id", "enduser.id"),
        conversation_id=fields.text("gen_ai.conversation.id", "session.id"),
        messages=prompt,
        output=said(answers[0]),
        prompt_tokens=fields.count("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        output_tokens=fields.count("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
        latency=(int(end) - int(start)) / 1e9 if start and end else None,
        finish_reason=reasons[0] if reasons else answers[0].get("finish_reason"),
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


def evaluation(attributes: dict[str, Any], of: dict[str, Any], moment: datetime) -> Label:
    """The label that an evaluation event is.

    Args:
        attributes: Of the event.
        of: The span that it stands in, or the log record that it is.
        moment: When.
    """
    fields = Fields(attributes, flat=True)
    for known in KNOWN:
        fields.take(known)
    return Label(
        name=fields.text(f"{EVALUATED}name") or "evaluation",
        event=identity({**of, "attributes": attributes}),
        author=fields.text("regrind.judge") or "opentelemetry",
        score=fields.number(f"{EVALUATED}score.value"),
        label=fields.text(f"{EVALUATED}score.label"),
        comment=fields.text(f"{EVALUATED}explanation"),
        time=moment,
        unmapped=[f"evaluation {path}" for path in fields.rest()],
    )


def _messages(span: dict[str, Any], fields: Fields) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Prompt and answers, from the newest form that the span has."""
    details = [e["attributes"] for e in span.get("events") or [] if e.get("name") == DETAILS]
    both = Fields(details[0], flat=True) if details else fields
    names = "gen_ai.system_instructions", "gen_ai.input.messages", "gen_ai.output.messages"
    system, given, answered = (both.take(name) for name in names)
    if given is not None or answered is not None:
        instructions = [{"role": "system", "parts": decoded(system)}] if system else []
        return [*map(turn, instructions), *(turns(given) if given else [])], _answers(answered)
    if (given := fields.take("gen_ai.prompt")) is not None:
        return turns(given), _answers(fields.take("gen_ai.completion"))
    return _older(span)


def _answers(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    value = decoded(value)
    entries = value if isinstance(value, list) else [value] if value else []
    ended = [e.get("finish_reason") if isinstance(e, dict) else None for e in entries]
    read_ = [turn(entry, "assistant") for entry in entries]
    return [t | ({"finish_reason": why} if why else {}) for t, why in zip(read_, ended, strict=True)]


def _older(span: dict[str, Any]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Messages from the events of conventions before 1.37: one a message, one a choice."""
    prompt: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    for event in span.get("events") or []:
        found, name = event["attributes"], event.get("name", "")
        body = {key.removeprefix("gen_ai.event."): decoded(v) for key, v in found.items()}
        if name in ROLES:
            prompt.append(turn({"role": ROLES[name], "content": ""} | body))
        elif name == "gen_ai.choice":
            message = body.get("message")
            inner = message if isinstance(message, dict) else {"content": message or body.get("content")}
            answers.append(turn(inner, "assistant") | {"finish_reason": body.get("finish_reason")})
        elif name == "gen_ai.content.prompt":
            prompt += turns(found.get("gen_ai.prompt"))
        elif name == "gen_ai.content.completion":
            answers += _answers(found.get("gen_ai.completion"))
    return prompt, answers
