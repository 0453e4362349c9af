"""Plain JSONL: lines of one's own, and the chats that `regrind trace export` wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.rows import short_hash
from loop.imports.beside import CONVERSATIONS, IDS, TIMES, USERS, labels, latency, sampling
from loop.imports.event import Call, Label, Skipped, Unreadable, trace_id
from loop.imports.fields import Fields, as_number, as_object, as_texts, as_time, decoded
from loop.imports.turns import asked_text, is_turn, said, turn, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 2
PROMPTS = ("messages", "prompt", "input", "question")
ANSWERS = ("output", "response", "completion", "answer")


def read(record: dict[str, Any]) -> Iterator[Event]:
    """A line: `messages` that end with the answer, or a prompt and an output.

    A line without an id has the hash of its content.

    Raises:
        Unreadable: It has no prompt, or its messages are none.
    """
    fields = Fields(record)
    prompt, answer = _prompt(fields)
    if answer is None or not prompt:
        what = "prompt without an answer" if prompt else "answer without a prompt"
        yield Skipped(what, tuple(fields.rest()))
        return
    source, event, run = _identity(fields)
    event = event or fields.text(*IDS) or short_hash(record)
    answering = turn(answer, "assistant")
    yield Call(
        source=source,
        event=event,
        known_run=run,
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
        latency=latency(fields),
        cost=fields.number("cost"),
        finish_reason=fields.text("finish_reason"),
        sampling=sampling(fields) | as_object(fields.take("sampling", reads=_object)),
        labels=_exported(fields) if source else labels(fields, event),
        payload=record,
        unmapped=fields.rest() + unsaid(answering),
    )


def _prompt(fields: Fields) -> tuple[list[dict[str, Any]], Any]:
    """The turns before the answer, and the answer."""
    given = fields.take("messages")
    if given is not None:
        given = decoded(given)
        if not isinstance(given, list) or not all(is_turn(entry) for entry in given):
            raise Unreadable("messages are a list of turns with a role and a content")
    else:
        given = fields.take(*PROMPTS[1:])
    answer = fields.take(*ANSWERS)
    if given is None:
        raise Unreadable("neither messages nor a prompt")
    prompt = asked_text(given)
    if answer is None and prompt and prompt[-1]["role"] == "assistant":
        answer = prompt.pop()
    return prompt, answer


def _identity(fields: Fields) -> tuple[str | None, str | None, str | None]:
    """Source, event and run of a trace that an export wrote: its id says that they are true."""
    record = fields.record
    source, event = record.get("source"), record.get("event")
    if not isinstance(source, str) or not isinstance(event, str):
        return None, None, None
    if record.get("id") != trace_id(source, event):
        return None, None, None
    fields.take("source")
    fields.take("event")
    fields.take("id")
    return source, event, fields.text("run")


def _exported(fields: Fields) -> list[Label]:
    """The labels of an exported trace, as they were; its rating and comment are those of one of them."""
    given = [Fields(entry) for entry in fields.take("labels") or [] if isinstance(entry, dict)]
    found = [
        Label(
            name=entry.text("name") or "rating",
            known_id=entry.text("id"),
            known_trace=entry.text("trace"),
            author=entry.text("author") or "user",
            score=as_number(entry.take("score")),
            label=entry.text("label"),
            comment=entry.text("comment"),
            time=as_time(entry.take("time")),
            unmapped=[f"labels.{path}" for path in entry.rest()],
        )
        for entry in given
    ]
    fields.take("rating", reads=lambda told: told if told in [label.score for label in found] else None)
    fields.take("comment", reads=lambda told: told if told in [label.comment for label in found] else None)
    return found


def _object(value: Any) -> Any:  # noqa: ANN401
    return as_object(value) or None
