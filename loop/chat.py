"""Claude as the language model that writes paraphrases: one message in, text and usage out."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import anthropic

from curation.augmentation.chat import Reply
from curation.errors import UserError
from judge.backoff import wait_s
from judge.prices import PRICES, Tokens, cost

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TOKENS = 8192  # models that think before they answer count the thinking too
TIMEOUT_S = 120.0
ATTEMPTS, MAX_WAIT_S = 4, 30.0
STOPS = {
    401: "set ANTHROPIC_API_KEY to a valid key",
    402: "add credit",
    403: "use another key",
    404: "name a model",
}
"""What every message would fail with, and what the user can do about it."""
AGAIN = {408, 409, 429}


class ClaudeChat:
    """A `curation.augmentation.chat.Chat`. The address is `ANTHROPIC_BASE_URL`, or the public service.

    Args:
        model: Name of the model.
        sleep: What waits that many seconds between attempts.
    """

    def __init__(self, model: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.id = f"anthropic/{model}"
        self._model, self._sleep = model, sleep
        self._key = os.environ.get("ANTHROPIC_API_KEY", "").strip()

    def send(self, system: str, user: str, schema: dict[str, Any]) -> Reply:
        """The model's reply; an empty one after four attempts, or where the model ended for another reason.

        Raises:
            UserError: The key is missing, or the service refuses the key, the account or the model.
        """
        if not self._key:
            fix = "export ANTHROPIC_API_KEY=..., or leave --paraphrase out"
            raise UserError("ANTHROPIC_API_KEY is not set", where="environment", fix=fix)
        with anthropic.Anthropic(api_key=self._key, max_retries=0, timeout=TIMEOUT_S) as client:
            return self._persist(client, system, user, schema)

    def cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """US dollars by the list prices; None for a model that is not there."""
        return cost(PRICES, self._model, Tokens(input_tokens, output_tokens))

    def _persist(self, client: anthropic.Anthropic, system: str, user: str, schema: dict[str, Any]) -> Reply:
        for failures in range(1, ATTEMPTS + 1):
            try:
                return self._ask(client, system, user, schema)
            except anthropic.APIStatusError as error:
                if error.status_code in STOPS:
                    where, fix = f"model {self._model}", STOPS[error.status_code]
                    raise UserError(
                        f"the service answered {error.status_code}", where=where, fix=fix
                    ) from error
                if error.status_code not in AGAIN and error.status_code < 500:
                    break
            except anthropic.APIConnectionError:
                pass
            if failures < ATTEMPTS:
                self._sleep(wait_s(failures, None, MAX_WAIT_S))
        return Reply("", 0, 0)

    def _ask(self, client: anthropic.Anthropic, system: str, user: str, schema: dict[str, Any]) -> Reply:
        message = client.messages.create(
            model=self._model,
            max_tokens=MAX_TOKENS,
            system=[{"type": "text", "text": system, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": user}],
            output_config={"format": {"type": "json_schema", "schema": schema}},
        )
        text = "".join(block.text for block in message.content if block.type == "text")
        used = message.usage
        return Reply(text if message.stop_reason == "end_turn" else "", used.input_tokens, used.output_tokens)
