"""The Anthropic judge: grades an answer by a rubric through the Messages API."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Any

import anthropic
import msgspec

from curation.errors import UserError
from judge.anthropic_reply import Grader, read_reply
from judge.backoff import wait_s
from judge.envelope import fingerprint, reply_schema, system_text, user_text
from judge.prices import PRICES, Prices, Tokens, cost
from judge.protocol import Forecast
from judge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from judge.rubric import Rubric
    from judge.verdict import Item

MODEL = "claude-haiku-5-5"
MAX_TOKENS = 8192  # models that think before they answer count the thinking too
TIMEOUT_S = 120.0
TYPICAL_OUTPUT_TOKENS = 400  # for a forecast only
CHARACTERS_PER_TOKEN = 4  # for a forecast only

_FIXES = {
    401: "set ANTHROPIC_API_KEY to a valid key",
    402: "add credit to the account of this key",
    403: "use a key that is allowed to use this model",
    404: "name a model that exists, and check ANTHROPIC_BASE_URL if it is set",
}
"""What every item would fail with, and what the user can do about it."""
_AGAIN = {408, 409, 429}


class AnthropicJudge:
    """Asks a Claude model for one grade per criterion.

    The base URL is the SDK's: `ANTHROPIC_BASE_URL`, or the public service.

    Args:
        rubric: What to grade by.
        model: Name of the model; part of the judge's id.
        concurrency: Requests in flight at once.
        max_wait_s: Longest wait in seconds before asking again, whatever the server asks for.
        attempts: How often to ask before the item counts as failed, at least 1.
        prices: Price table; a model that is not in it has verdicts of unknown cost.
        sleep: What waits that many seconds between attempts.

    Raises:
        UserError: `ANTHROPIC_API_KEY` is not set or cannot be a key.
    """

    def __init__(
        self,
        rubric: Rubric,
        model: str = MODEL,
        concurrency: int = 8,
        max_wait_s: float = 30.0,
        attempts: int = 4,
        prices: Prices = PRICES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.concurrency = concurrency
        self.id = f"anthropic/{model}/{rubric.name}-v{rubric.version}/{_hash8(rubric, model)}"
        self._grader = Grader(rubric, self.id, model, prices)
        self._max_wait_s = max_wait_s
        self._attempts = attempts
        self._sleep = sleep
        self._system = system_text(rubric)
        self._schema = reply_schema(rubric)
        # the SDK's own retries obey a retry-after of any length
        self._client = anthropic.Anthropic(api_key=_api_key(), max_retries=0, timeout=TIMEOUT_S)

    def judge(self, item: Item) -> Verdict:
        """Ask until a reply comes, `attempts` times at most, waiting in between.

        Raises:
            UserError: The key, the account or the model is refused, as it would be for every item.
        """
        try:
            return read_reply(self._ask(user_text(item)), item.id, self._grader)
        except anthropic.APIStatusError as error:
            if error.status_code in _FIXES:
                raise self._refused(error) from error
            problem, raw = f"the service answered {error.status_code}", error.response.text
        except anthropic.APIConnectionError as error:
            problem, raw = f"no reply: {error}", repr(error.__cause__)
        except UnicodeEncodeError as error:
            problem, raw = f"the item's text is not valid Unicode: {error.reason}", ""
        return Verdict(item.id, self.id, 0, "failed", feedback=problem, raw=raw)

    def forecast(self, item: Item) -> Forecast:
        """What asking once takes, by the number of characters; without caching and without retries."""
        tokens = (len(self._system) + len(user_text(item))) // CHARACTERS_PER_TOKEN
        expected = Tokens(tokens, TYPICAL_OUTPUT_TOKENS)
        return Forecast(tokens, cost(self._grader.prices, self._grader.model, expected))

    def _ask(self, text: str) -> bytes:
        """The body of the first reply with status 200; the last attempt's error goes to the caller."""
        for failures in range(1, self._attempts):
            try:
                return self._request(text)
            except anthropic.APIConnectionError:
                retry_after = None
            except anthropic.APIStatusError as error:
                if error.status_code not in _AGAIN and error.status_code < 500:
                    raise
                retry_after = error.response.headers.get("retry-after")
            self._sleep(wait_s(failures, retry_after, self._max_wait_s))
        return self._request(text)

    def _request(self, text: str) -> bytes:
        # the raw response: the SDK's message type lets a body of another shape pass as a message
        response = self._client.messages.with_raw_response.create(
            model=self._grader.model,
            max_tokens=MAX_TOKENS,
            system=[{"type": "text", "text": self._system, "cache_control": {"type": "ephemeral"}}],
            messages=[{"role": "user", "content": text}],
            output_config={"format": {"type": "json_schema", "schema": self._schema}},
        )
        return response.http_response.content

    def _refused(self, error: anthropic.APIStatusError) -> UserError:
        says = error.api_message or "no reason given"
        return UserError(
            f"the service answered {error.status_code}: {says}",
            where=f"judge model {self._grader.model}",
            fix=_FIXES[error.status_code],
        )


def _api_key() -> str:
    key = os.environ.get("ANTHROPIC_API_KEY", "").strip()
    if not key or not key.isascii() or not key.isprintable():
        problem = (
            "ANTHROPIC_API_KEY holds characters that no key has" if key else "ANTHROPIC_API_KEY is not set"
        )
        raise UserError(
            problem, where="environment", fix="export ANTHROPIC_API_KEY=... or judge by reference"
        )
    return key


def _hash8(rubric: Rubric, model: str) -> str:
    """Hash of all that decides a verdict beside the item: rubric, prompt, model and settings."""
    settings: list[Any] = [model, MAX_TOKENS, msgspec.to_builtins(rubric)]
    content = msgspec.json.encode(settings, order="sorted") + fingerprint(rubric)
    return hashlib.sha256(content).hexdigest()[:8]
