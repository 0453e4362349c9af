"""Claude as the language model that writes paraphrases: one message in, text and usage out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.augmentation.chat import Reply
from judge.messages_api import MAX_TOKENS, MessagesChat
from judge.prices import PRICES, Tokens, cost
from judge.settings import ServiceSettings
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

    from judge.chat import Completion

STOPS = {403, 404}
"""Refused for the model or the address, as every message would be."""
ATTEMPTS = 4
FRAME = 1_000
"""Tokens that the service puts around a message, at most."""


class ClaudeChat:
    """A `curation.augmentation.chat.Chat`. The address is `ANTHROPIC_BASE_URL`, or the public service.

    Args:
        model: Name of the model.
        tell: Called with what went wrong where no reply came.
    """

    def __init__(self, model: str, tell: Callable[[str], None] = lambda _: None) -> None:
        self.id = f"anthropic/{model}"
        self._model, self._tell = model, tell
        self._chat: MessagesChat | None = None

    def send(self, system: str, user: str, schema: dict[str, Any]) -> Reply:
        """The model's reply; an empty one where none came, or where the model ended for another reason.

        Raises:
            UserError: The key is missing, or the service refuses the key, the account or the model.
        """
        chat = self._chat = self._chat or MessagesChat(
            self._model, ServiceSettings(concurrency=1, attempts=ATTEMPTS)
        )
        told = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            return _reply(chat.send(told, schema))
        except NoAnswerError as fault:
            if fault.status in STOPS:
                raise chat.service.stops(fault) from fault
            self._tell(f"no reply: {fault.problem}")
            return Reply("", 0, 0)

    def most(self, system: str, user: str, schema: dict[str, Any]) -> tuple[int, int]:
        """A token is a byte at least, and the model writes as many as it is allowed to."""
        return len(f"{system}{user}{json.dumps(schema)}".encode()) + FRAME, MAX_TOKENS

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars by the list prices; None for a model that is not there."""
        return cost(PRICES, self._model, Tokens(input_tokens, output_tokens))


def _reply(said: Completion) -> Reply:
    tokens = said.tokens or Tokens(0, 0)
    return Reply(said.text if said.ended == "finished" else "", tokens.read, tokens.output)
