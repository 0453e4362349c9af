"""Claude as the language model that writes paraphrases: one message in, text and usage out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.augmentation.chat import Reply
from judge.messages_api import MessagesChat
from judge.prices import PRICES, Tokens, cost
from judge.settings import ServiceSettings
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from judge.chat import Completion

STOPS = {403, 404}
"""Refused for the model or the address, as every message would be."""


class ClaudeChat:
    """A `curation.augmentation.chat.Chat`. The address is `ANTHROPIC_BASE_URL`, or the public service.

    Args:
        model: Name of the model.
    """

    def __init__(self, model: str) -> None:
        self.id = f"anthropic/{model}"
        self._model = model
        self._chat: MessagesChat | None = None

    def send(self, system: str, user: str, schema: dict[str, Any]) -> Reply:
        """The model's reply; an empty one where none came, or where the model ended for another reason.

        Raises:
            UserError: The key is missing, or the service refuses the key, the account or the model.
        """
        chat = self._chat = self._chat or MessagesChat(self._model, ServiceSettings(concurrency=1))
        told = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        try:
            return _reply(chat.send(told, schema))
        except NoAnswerError as fault:
            if fault.status in STOPS:
                raise chat.service.stops(fault) from fault
            return Reply("", 0, 0)

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars by the list prices; None for a model that is not there."""
        return cost(PRICES, self._model, Tokens(input_tokens, output_tokens))


def _reply(said: Completion) -> Reply:
    tokens = said.tokens or Tokens(0, 0)
    return Reply(said.text if said.ended == "finished" else "", tokens.read, tokens.output)
