"""What a format reads out of an object: calls of a model, and what was said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from curation.decode import Fault
from curation.rows import short_hash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class Label(msgspec.Struct, kw_only=True):
    """What a person, a program or a judge elsewhere said about a call.

    Attributes:
        name: What it is about, such as `rating` or `correctness`.
        event: Id of the call; where only the whole request is known, `run` is its id.
        run: Id of the request that the call was part of.
        author: Who said it.
        score: Its number, in the source's own scale.
        label: Its word.
        comment: Its text.
        time: When (UTC, without a zone); the call's time unless given.
        key: Its own id at the source; made from the other fields unless given.
        known_id: Its id in the store, and
        known_trace: the id there of what it is about, where an export of ours says them.
        payload: The object as it came, where it is not part of a call.
        unmapped: Paths of fields that nothing above holds.
    """

    name: str
    event: str | None = None
    run: str | None = None
    author: str = "user"
    score: float | None = None
    label: str | None = None
    comment: str | None = None
    time: datetime | None = None
    key: str | None = None
    known_id: str | None = None
    known_trace: str | None = None
    payload: Any = None
    unmapped: list[str] = []


class Run(msgspec.Struct, kw_only=True):
    """What is known of a whole request: who asked, and in which conversation.

    Attributes:
        event: Its id at the source.
        name: Of the service or the task.
        payload: The object as it came.
        unmapped: Paths of its fields that nothing above or below holds.
    """

    event: str
    payload: Any
    unmapped: list[str]
    name: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    tags: list[str] = []
    time: datetime | None = None


class Call(msgspec.Struct, kw_only=True):
    """One call of a model.

    Attributes:
        event: Its id at the source.
        messages: The prompt: role, content, and what else a turn has.
        output: What the model said; the JSON of its tool calls where it said nothing.
        payload: The object as it came.
        unmapped: Paths of its fields that nothing above or below holds.
        source: Where it is from and
        known_run: the id of its request in the store, where an export of ours says them.
        response: Id of the answer, by which others may speak of the call.
    """

    event: str
    messages: list[dict[str, Any]]
    output: str
    payload: Any
    unmapped: list[str]
    source: str | None = None
    run: str | None = None
    known_run: str | None = None
    response: str | None = None
    time: datetime | None = None
    model: str = ""
    workload: str | None = None
    user_id: str | None = None
    conversation_id: str | None = None
    reference: str | None = None
    tags: list[str] = []
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    latency: float | None = None
    cost: float | None = None
    finish_reason: str | None = None
    sampling: dict[str, Any] = {}
    labels: list[Label] = []


class Skipped(NamedTuple):
    """An object that is no call of a model, such as the span of a tool: nothing is wrong with it.

    It is not kept; `unmapped` names fields of it that one might have wanted.
    """

    what: str
    unmapped: tuple[str, ...] = ()


class Refused(NamedTuple):
    """A part of an object that cannot be read, and why; what stands beside it can."""

    reason: str
    record: Any


Event = Call | Label | Run | Skipped | Refused


class Unreadable(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why an object cannot be read as what its format says."""


def trace_id(source: str, event: str) -> str:
    """Id of the trace that an event of a source is."""
    return short_hash([source, event])


def tried(events: Iterator[Event], record: Any) -> Iterator[Event]:  # noqa: ANN401  (whatever JSON can say)
    """The events of a record, or why there are none."""
    try:
        yield from [sound(event) for event in events]
    except Unreadable as fault:
        yield Refused(str(fault), record)
    except WRONG as fault:
        yield Refused(f"not as its format has it ({fault!r})", record)


def sound(event: Event) -> Event:
    """An event whose texts are texts: what a format forgot to look at is refused here, not by a table.

    Raises:
        Unreadable: One of them is something else.
    """
    for name in event.__struct_fields__ if isinstance(event, Call | Label | Run) else ():
        value = getattr(event, name)
        if name in TEXTS and not isinstance(value, str | None):
            raise Unreadable(f"{name} is no text: {str(value)[:50]}")
    for label in event.labels if isinstance(event, Call) else []:
        sound(label)
    return event


WRONG = (Fault, LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
"""What an object raises that is not as its format says."""
TEXTS = {"name", "event", "run", "author", "label", "comment", "key", "known_id", "known_trace", "known_run"}
TEXTS |= {"source", "response", "model", "workload", "user_id", "conversation_id", "output", "reference"}
TEXTS |= {"finish_reason"}
