"""Chat logs: request and response of the OpenAI API, flywheel logs of them, and batch files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.rows import short_hash
from loop.imports.beside import CONVERSATIONS, IDS, SAMPLING, TIMES, USERS, labels, latency, sampling
from loop.imports.completion import completion
from loop.imports.event import Call, Skipped, Unreadable
from loop.imports.fields import Fields, as_object, as_text, decoded
from loop.imports.turns import asked_text, said, turn, unsaid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.imports.event import Event

MAPPING = 2
ASKED = {"messages", "metadata", *SAMPLING}
ANSWERED = {"id", "object", "created", "model", "choices", "usage", "system_fingerprint"}
"""Which fields of a stored completion are of the request, and which of the response."""
BATCH = ("custom_id", "method", "url", "error")
"""Fields of a line of a batch file that say which request it is."""


class Chats:
    """Reads pairs, stored completions and batch files; the requests of a batch are in a file of their own."""

    def __init__(self) -> None:
        self._requests: dict[str, Any] = {}

    def read(self, record: dict[str, Any]) -> Iterator[Event]:
        """Events of one line.

        Raises:
            Unreadable: It is an answer without its request.
        """
        if "custom_id" in record and "request" not in record:
            yield from self._of_batch(record, str(record["custom_id"]))
        else:
            yield from read_stored(record) if "choices" in record else read_pair(record)

    def _of_batch(self, record: dict[str, Any], name: str) -> Iterator[Event]:
        if "response" not in record:
            self._requests[name] = record.get("body")
            yield Skipped("request of a batch: its answer is in the output file")
        elif record["response"] is None:
            yield Skipped("request that failed", tuple(Fields(record).rest()))
        elif name not in self._requests:
            raise Unreadable("an answer without its request: name the batch's input file before this one")
        else:
            yield from read_pair(record | {"request": self._requests[name]})


def read_pair(record: dict[str, Any]) -> Iterator[Event]:
    """A request and the response to it, `{"request": {…}, "response": {…}}`, with what a log adds to them."""
    beside = Fields({k: v for k, v in record.items() if k not in {"request", "response"}})
    asked, answered = (
        Fields(as_object(_body(record.get("request")))),
        Fields(completion(_body(record.get("response")))),
    )
    choices = answered.take("choices")
    if not isinstance(choices, list) or not choices:
        yield Skipped("request without an answer", _rest(beside, asked, answered))
        return
    event = answered.text("id") or beside.text(*IDS) or short_hash(record)
    if "custom_id" in record:
        beside.take("id")
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
        messages=_prompt(asked),
        output=_choice(choices[0]),
        tags=[f"client:{client}"] if client else [],
        finish_reason=as_text(choices[0].get("finish_reason")),
        prompt_tokens=answered.count("usage.prompt_tokens", "usage.input_tokens"),
        output_tokens=answered.count("usage.completion_tokens", "usage.output_tokens"),
        latency=latency(beside),
        cost=beside.number("cost"),
        sampling=sampling(asked),
        labels=labels(beside, event),
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


def _body(value: Any) -> Any:  # noqa: ANN401  (whatever a log holds)
    """A request or a response; batch files have the body one level down."""
    found = decoded(value)
    return found["body"] if isinstance(found, dict) and isinstance(found.get("body"), dict) else found or {}


def _prompt(asked: Fields) -> list[dict[str, Any]]:
    """Turns of a request: its messages, its prompt, or the input of the Responses API."""
    given = asked.take("messages")
    told = asked.text("instructions") if given is None else None
    given = given if given is not None else asked.take("prompt", "input")
    if given is None:
        raise Unreadable("the request has neither messages nor a prompt")
    return [*([turn(told, "system")] if told else []), *asked_text(given)]


def _choice(choice: dict[str, Any]) -> str:
    return said(turn(choice.get("message") or choice.get("text") or "", "assistant"))


def _unmapped(beside: Fields, asked: Fields, answered: Fields, choices: list[Any]) -> list[str]:
    first = turn(choices[0].get("message") or choices[0].get("text") or "", "assistant")
    told = {"index", "message", "text", "finish_reason"}
    if as_text(choices[0].get("finish_reason")) is None:
        told.remove("finish_reason")
    found = unsaid(first) + [f"response.choices[0].{k}" for k, v in choices[0].items() if k not in told and v]
    found += [f"response.choices[{n}]" for n in range(1, len(choices))]
    return found + list(_rest(beside, asked, answered))


def _rest(beside: Fields, asked: Fields, answered: Fields) -> tuple[str, ...]:
    for known in ("object", "usage.total_tokens"):
        answered.take(known)
    for known in BATCH:
        beside.take(known)
    found = beside.rest() + [f"request.{path}" for path in asked.rest()]
    return (*found, *(f"response.{path}" for path in answered.rest()))


def _as_it_came(call: Call, record: dict[str, Any]) -> Call:
    call.payload = record
    call.unmapped = [path.removeprefix("request.").removeprefix("response.") for path in call.unmapped]
    return call
