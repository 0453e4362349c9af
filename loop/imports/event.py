"""What a format reads out of an object: calls of a model, and what was said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
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
    unmapped: list[str] = []


class Call(msgspec.Struct, kw_only=True):
    """One call of a model.

    Attributes:
        event: Its id at the source.
        messages: The prompt: role, content, and what else a turn has.
        output: What the model said; the JSON of its tool calls where it said nothing.
        payload: The object as it came.
        unmapped: Paths of its fields that nothing above or below holds.
    """

    event: str
    messages: list[dict[str, Any]]
    output: str
    payload: Any
    unmapped: list[str]
    run: str | None = None
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
    """An object that is no call of a model, such as the span of a tool: nothing is wrong with it."""

    what: str
    unmapped: tuple[str, ...] = ()


Event = Call | Label | Skipped


class Unreadable(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why an object cannot be read as what its format says."""
