"""Claude, through the Messages API: how a request is written and a reply is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from curation.errors import UserError
from judge.chat import Completion, Ended, no_answer, taken
from judge.prices import Tokens
from judge.service import Service, bare
from judge.wire import NoAnswerError, encode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.chat import Message
    from judge.settings import ServiceSettings

URL = "https://api.anthropic.com"
VERSION = "2023-06-01"
KEY = "ANTHROPIC_API_KEY"
ADDRESS = "ANTHROPIC_BASE_URL"
MAX_TOKENS = 8192  # models that think before they answer count the thinking too

_FIXES = {
    401: f"set {KEY} to a valid key",
    402: "add credit to the account of this key",
    403: "use a key that is allowed to use this model",
    404: f"name a model that exists, and check {ADDRESS} if it is set",
}
_ENDED: dict[str | None, Ended] = {
    "end_turn": "finished",
    "stop_sequence": "finished",
    "refusal": "refused",
    "max_tokens": "cut",
    "model_context_window_exceeded": "cut",
}


class MessagesChat:
    """A Claude model.

    Args:
        model: Its name.
        settings: How the service is asked.
        url: The service's address; `ANTHROPIC_BASE_URL`, or else the public service, unless given.

    Raises:
        UserError: `ANTHROPIC_API_KEY` is not set or cannot be a key, or the address is none.
    """

    def __init__(self, model: str, settings: ServiceSettings, url: str = "") -> None:
        self.model = model
        self.concurrency = settings.concurrency
        self.settings: dict[str, Any] = {"max_tokens": MAX_TOKENS, "structured": True}
        if url:
            self.settings["url"] = bare(url)
        headers = {"x-api-key": _api_key(), "anthropic-version": VERSION}
        where = f"judge model {model}"
        self.service = Service(where, url or os.environ.get(ADDRESS) or URL, headers, settings, _FIXES)

    def send(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> Completion:
        """One answer of the model; see `judge.chat.Chat`."""
        return read(self.service.post("/v1/messages", encode(self.request(messages, schema))))

    def stop(self) -> None:
        """End all waits."""
        self.service.stop()

    def request(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> dict[str, Any]:
        """The request's parameters; what the system says is cached by the service."""
        body: dict[str, Any] = {"model": self.model, "max_tokens": MAX_TOKENS}
        told = [m["content"] for m in messages if m["role"] == "system"]
        if told:
            block = {"type": "text", "text": told[0], "cache_control": {"type": "ephemeral"}}
            body["system"] = [block]
        body["messages"] = [{k: m[k] for k in ("role", "content")} for m in messages if m["role"] != "system"]
        if schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body

    def count(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> int:
        """Tokens that the model would read, counted by the service, which is free.

        Raises:
            NoAnswerError: The service does not count.
        """
        body = self.request(messages, schema)
        del body["max_tokens"]
        reply = self.service.post("/v1/messages/count_tokens", encode(body))
        try:
            return msgspec.json.decode(reply, type=_Count).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise NoAnswerError(f"not a count: {fault}") from fault


class _Count(Struct):
    input_tokens: int


class _Block(Struct):
    type: str
    text: str = ""


class _Usage(Struct):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    def tokens(self) -> Tokens:
        written, cached = self.cache_creation_input_tokens or 0, self.cache_read_input_tokens or 0
        return Tokens(self.input_tokens, self.output_tokens, written, cached)


class _StopDetails(Struct):
    category: str | None = None


class _Message(Struct):
    """The fields that matter. All may be missing: a proxy can answer 200 with anything."""

    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


def read(body: bytes) -> Completion:
    """What a reply with status 200 says: any bytes in, never an exception."""
    try:
        message = msgspec.json.decode(body, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return no_answer(body, f"not a message: {fault}")
    text = "".join(block.text for block in message.content or [] if block.type == "text")
    tokens = taken(message.usage, _Usage)
    raw = text or body.decode("utf-8", errors="replace")
    category = (message.stop_details and message.stop_details.category) or "no category"
    ended = _ENDED.get(message.stop_reason, "unclear")
    problem = f"the judge declined ({category})" if ended == "refused" else ""
    return Completion(text, ended, message.stop_reason or "", tokens, raw, problem)


def _api_key() -> str:
    key = os.environ.get(KEY, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        problem = f"{KEY} holds characters that no key has" if key else f"{KEY} is not set"
        raise UserError(problem, where="environment", fix=f"export {KEY}=..., or do without a language model")
    return key
