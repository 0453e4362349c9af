"""A chat with a language model: messages in; text, why it ended, and the tokens it took out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.prices import Tokens

Message = dict[str, str]
Ended = Literal["finished", "refused", "cut", "unclear"]
"""finished: the model said all. refused: it declined. cut: a limit ended it. unclear: anything else."""


class Completion(NamedTuple):
    """What a model said.

    Attributes:
        text: The text of its answer, without thinking.
        ended: Why it ended, in four words for all services.
        stop_reason: Why it ended, in the service's words; empty when it gave none.
        tokens: What it took; None when the service does not say.
        raw: The text, or the whole reply where it has none.
        problem: Why this is no answer at all; empty when it is one.
    """

    text: str
    ended: Ended
    stop_reason: str = ""
    tokens: Tokens | None = None
    raw: str = ""
    problem: str = ""


class Chat(Protocol):
    """A model that answers a conversation. Safe to call from many threads."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What else decides its answers: the request without the messages. Part of a judge's id."""
        ...

    @property
    def concurrency(self) -> int:
        """How many threads may ask at once."""
        ...

    def send(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> Completion:
        """The model's answer to a conversation ({role, content}; role system at most once, first).

        Args:
            messages: The conversation.
            schema: JSON schema that the answer should follow, where the service can be told.

        Raises:
            NoAnswerError: No answer could be had for this conversation.
            UserError: None could be had for any.
            StoppedError: `stop` was called.
        """
        ...

    def stop(self) -> None:
        """End all waits."""
        ...


class Usage(Protocol):
    """What a service says that a reply took, in its own fields."""

    def tokens(self) -> Tokens:
        """The same in ours."""
        ...


def taken(usage: msgspec.Raw, kind: type[Usage]) -> Tokens | None:
    """What a reply took; None where the service does not say, or says nothing at all, or no whole numbers.

    Args:
        usage: The part of the reply, as JSON.
        kind: The service's own fields.
    """
    try:
        found = msgspec.json.decode(usage, type=kind | None)
    except msgspec.DecodeError:
        return None
    tokens = found.tokens() if found else None
    return tokens if tokens and any(tokens) else None


def no_answer(body: bytes, problem: str) -> Completion:
    """A reply with status 200 that is no answer: a page of a proxy, another JSON."""
    return Completion("", "unclear", raw=body.decode("utf-8", errors="replace"), problem=problem)
