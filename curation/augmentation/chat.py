"""What a paraphrase needs of a language model; clients live in the judge room, the command wires them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol


class Reply(NamedTuple):
    """What came back.

    Attributes:
        text: The reply; empty where there is none that can be used.
        input_tokens: Tokens the model read.
        output_tokens: Tokens it wrote.
    """

    text: str
    input_tokens: int
    output_tokens: int


class Chat(Protocol):
    """A language model that answers one message."""

    @property
    def id(self) -> str:
        """Service and model: replies of one id are kept and used again."""
        ...

    def send(self, system: str, user: str, schema: dict[str, Any]) -> Reply:
        """The reply to a message, as JSON of a schema; one that cannot be had is empty, not an exception.

        Raises:
            UserError: Every message would fail the same way (a wrong key, an unknown model).
        """
        ...

    def most(self, system: str, user: str, schema: dict[str, Any]) -> tuple[int, int]:
        """Tokens that sending this reads and writes at most."""
        ...

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars; None where the price is not known."""
        ...
