"""OpenInference: spans whose attributes hold the messages one by one, in OTLP or as Phoenix exports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.imports.event import Call, Label, Skipped
from loop.imports.fields import Fields, as_object, as_text, as_texts, as_time, numbered
from loop.imports.genai import identity
from loop.imports.turns import conversation, is_turn, said, turn, turns, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 2
FEEDBACK = ("annotations", "evaluations")
SCOPES = ("", "trace.")
WHOLE = {"metadata", "llm.invocation_parameters"}
"""Objects that stay objects."""
EXPORTED = ("name", "span_kind", "start_time", "end_time", "context.trace_id", "context.span_id")
DERIVED = ("openinference.span.kind", "llm.provider", "llm.system", "input.mime_type", "output.mime_type")


def knows(attributes: dict[str, Any]) -> bool:
    """Whether these are attributes of OpenInference."""
    return "openinference.span.kind" in attributes or "llm.model_name" in attributes


def read_export(record: dict[str, Any]) -> Iterator[Event]:
    """Events of a span as Phoenix writes it: `context`, times in ISO 8601, nested or dotted attributes."""
    context = record.get("context") or {}
    flat = {k.removeprefix("attributes."): v for k, v in record.items() if k.startswith("attributes.")}
    flat |= dotted(record.get("attributes") or {})
    flat |= dotted({name: record[name] for name in FEEDBACK if isinstance(record.get(name), list)})
    flat.setdefault("openinference.span.kind", record.get("span_kind"))
    span = {
        "traceId": context.get("trace_id") or record.get("context.trace_id"),
        "spanId": context.get("span_id") or record.get("context.span_id"),
        "name": record.get("name"),
        "attributes": {k: v for k, v in flat.items() if v is not None},
        "startTime": record.get("start_time"),
        "endTime": record.get("end_time"),
    }
    beside = Fields({k: v for k, v in record.items() if not k.startswith("attributes")})
    for known in (*EXPORTED, *FEEDBACK):
        beside.take(known)
    for event in read(span, {}):
        if isinstance(event, Call):
            event.payload = record
            event.unmapped += beside.rest()
        yield event


def read(span: dict[str, Any], resource: dict[str, Any]) -> Iterator[Event]:
    """The call of a span, and what was said about it.

    Raises:
        Unreadable: It has no id, or its messages cannot be read.
    """
    given = dotted(span["attributes"])
    fields = Fields({k: v for k, v in given.items() if not _part(k)}, flat=True)
    kind = str(fields.take("openinference.span.kind") or "LLM").upper()
    prompt, answers = _messages(given, "llm.input_messages"), _messages(given, "llm.output_messages")
    raw_in, raw_out = fields.take("input.value"), fields.take("output.value")
    if kind != "LLM" or not (prompt or raw_in) or not (answers or raw_out):
        what = "span that is no model call" if kind != "LLM" else "model call without its messages"
        yield Skipped(what, tuple(fields.rest()) if kind == "LLM" else ())
        return
    for known in DERIVED:
        fields.take(known)
    told = _told(raw_out)
    answer = answers[0] if answers else turn(told[-1], "assistant")
    others = [f"answer {n + 1}" for n in range(1, len(answers))]
    others += [] if answers else [f"output.value[{n}]" for n in range(len(told) - 1)]
    start, end = (_moment(span, name) for name in ("start", "end"))
    yield Call(
        event=identity(span),
        run=span.get("traceId"),
        time=start,
        model=fields.text("llm.model_name") or "",
        workload=as_text(resource.get("service.name")) or as_text(resource.get("openinference.project.name")),
        user_id=fields.text("user.id"),
        conversation_id=fields.text("session.id"),
        messages=prompt or turns(raw_in),
        output=said(answer),
        tags=as_texts(fields.take("tag.tags")),
        prompt_tokens=fields.count("llm.token_count.prompt"),
        output_tokens=fields.count("llm.token_count.completion"),
        latency=(end - start).total_seconds() if start and end else None,
        cost=fields.number("llm.cost.total"),
        finish_reason=fields.text("llm.finish_reason"),
        sampling=as_object(fields.take("llm.invocation_parameters")),
        labels=list(_labels(given, identity(span), span.get("traceId"))),
        payload=span,
        unmapped=[*fields.rest(), *unsaid(answer), *others],
    )


def dotted(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    """An object as one level of dotted names; a list of objects is numbered, other lists stay."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        path = f"{before}{key}"
        if isinstance(value, dict) and path not in WHOLE:
            found |= dotted(value, f"{path}.")
        elif isinstance(value, list) and value and all(isinstance(v, dict) for v in value):
            found |= dotted({str(n): v for n, v in enumerate(value)}, f"{path}.")
        else:
            found[path] = value
    return found


def _part(path: str) -> bool:
    """Whether an attribute is part of a message or of a label, which are read as a whole."""
    heads = ["llm.input_messages.", "llm.output_messages."]
    heads += [f"{scope}{name}." for scope in SCOPES for name in FEEDBACK]
    return path.startswith(tuple(heads))


def _messages(given: dict[str, Any], head: str) -> list[dict[str, Any]]:
    entries = numbered(given, head)
    return [turn(_message(entry)) for entry in entries]


def _message(entry: dict[str, Any]) -> dict[str, Any]:
    """A turn from attributes below one number, such as `message.role`."""
    found = {k.removeprefix("message."): v for k, v in entry.items()}
    parts = [_text_part(p) for p in numbered(found, "contents")]
    calls = [
        {
            "id": call.get("tool_call.id"),
            "function": {
                "name": call.get("tool_call.function.name"),
                "arguments": call.get("tool_call.function.arguments"),
            },
        }
        for call in numbered(found, "tool_calls")
    ]
    read_ = ("role", "content", "contents.", "tool_calls.")
    others: dict[str, Any] = {k: v for k, v in found.items() if not k.startswith(read_)}
    content = found.get("content") if found.get("content") is not None else parts
    return {"role": found.get("role"), "content": content, "tool_calls": calls, **others}


def _text_part(part: dict[str, Any]) -> dict[str, Any]:
    plain = {k.removeprefix("message_content."): v for k, v in part.items()}
    return {"type": plain.pop("type", "text"), **plain}


def _labels(given: dict[str, Any], event: str, run: str | None) -> Iterator[Label]:
    for scope in SCOPES:
        for collection, one in (("annotations", "annotation"), ("evaluations", "evaluation")):
            for entry in numbered(given, f"{scope}{collection}"):
                said_ = Fields({k.removeprefix(f"{one}."): v for k, v in entry.items()}, flat=True)
                yield Label(
                    name=said_.text("name") or one,
                    event=None if scope else event,
                    run=run if scope else None,
                    author=(said_.text("annotator_kind") or "unknown").lower(),
                    score=said_.number("score", "result.score"),
                    label=said_.text("label", "result.label"),
                    comment=said_.text("explanation", "result.explanation"),
                    key=said_.text("identifier"),
                    unmapped=[f"{one} {path}" for path in said_.rest()],
                )


def _moment(span: dict[str, Any], which: str) -> Any:  # noqa: ANN401
    found = as_time(span.get(f"{which}TimeUnixNano"))
    return found or as_time(span.get(f"{which}Time"))


def _told(value: Any) -> list[Any]:  # noqa: ANN401
    """The turns of an output, the answer last; one that is no conversation is a turn of its own."""
    found = conversation(value)
    return found if isinstance(found, list) and found and all(map(is_turn, found)) else [found]
