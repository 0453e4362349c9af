"""Any OpenAI-compatible endpoint (vLLM, Ollama, llama.cpp, hosted ones), through chat completions."""

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

KEY = "OPENAI_API_KEY"
MAX_TOKENS = 4096
OTHER_LIMIT = "max_completion_tokens"
"""What some endpoints name instead when they refuse `max_tokens`."""
UNKNOWN_FORMAT = {400, 404, 415, 422, 501}
"""What servers without structured output answer to a request that asks for it."""

_FIXES = {
    401: f"set {KEY} to a key that this endpoint takes",
    402: "add credit to the account of this key",
    403: "use a key that is allowed to use this model",
    404: "name a model that the endpoint has, and check its URL: most end with /v1",
}
_ENDED: dict[str | None, Ended] = {
    "stop": "finished",
    "eos": "finished",
    "content_filter": "refused",
    "length": "cut",
    "max_tokens": "cut",
}


class OpenAIChat:
    """A model behind `POST {url}/chat/completions`.

    It is asked for structured output; an endpoint that refuses that is asked for plain JSON from then on.

    Args:
        model: Its name.
        url: The endpoint, such as `http://localhost:8000/v1`.
        settings: How the service is asked.

    Raises:
        UserError: The URL is none, or the key cannot be one. A local endpoint needs no key.
    """

    def __init__(self, model: str, url: str, settings: ServiceSettings) -> None:
        self.model = model
        self.concurrency = settings.concurrency
        self.settings = {"max_tokens": MAX_TOKENS, "structured": "where offered", "url": bare(url)}
        key = os.environ.get(KEY, "").strip()
        if not key.isascii() or (key and not key.isprintable()):
            fix = f"export {KEY}=..., or unset it for an endpoint that needs none"
            raise UserError(f"{KEY} holds characters that no key has", where="environment", fix=fix)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.service = Service(f"judge model {model}", url, headers, settings, _FIXES)
        self._structured: bool | None = None  # unknown until an answer came
        self._limit = "max_tokens"

    def send(self, messages: Sequence[Message], schema: dict[str, Any] | None = None) -> Completion:
        """One answer of the model; see `judge.chat.Chat`."""
        body: dict[str, Any] = {"model": self.model, "messages": list(messages)}
        if not schema or self._structured is False:
            return self._send(body)
        named = {"name": "verdict", "strict": True, "schema": schema}
        try:
            completion = self._send(body | {"response_format": {"type": "json_schema", "json_schema": named}})
        except NoAnswerError as fault:
            if self._structured or fault.status not in UNKNOWN_FORMAT:
                raise
            completion = self._send(body)
            self._structured = False  # plain was answered where structured was not
            return completion
        self._structured = True
        return completion

    def stop(self) -> None:
        """End all waits."""
        self.service.stop()

    def _send(self, body: dict[str, Any]) -> Completion:
        limit = self._limit
        try:
            return read(self.service.post("/chat/completions", encode(body | {limit: MAX_TOKENS})))
        except NoAnswerError as fault:
            if limit == OTHER_LIMIT or fault.status != 400 or OTHER_LIMIT not in fault.raw:
                raise
        self._limit = OTHER_LIMIT
        return self._send(body)


class _Part(Struct):
    text: str = ""


class _Said(Struct):
    content: str | list[_Part] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        """The text, which some endpoints give in parts."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class _Choice(Struct):
    message: _Said
    finish_reason: str | None = None


class _Details(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None

    def tokens(self) -> Tokens:
        cached = (self.prompt_tokens_details and self.prompt_tokens_details.cached_tokens) or 0
        return Tokens(max(0, self.prompt_tokens - cached), self.completion_tokens, cached=cached)


class _Response(Struct):
    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


def read(body: bytes) -> Completion:
    """What a reply with status 200 says: any bytes in, never an exception."""
    try:
        response = msgspec.json.decode(body, type=_Response)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        return no_answer(body, f"not a chat completion: {fault}")
    if not response.choices:
        return no_answer(body, "the reply has no choices")
    choice = response.choices[0]
    tokens = taken(response.usage, _Usage)
    text = choice.message.text
    raw = text or body.decode("utf-8", errors="replace")
    reason = choice.finish_reason or ""
    if choice.message.refusal:
        return Completion(
            text, "refused", reason, tokens, raw, f"the judge declined: {choice.message.refusal}"
        )
    ended = _ENDED.get(choice.finish_reason, "unclear")
    return Completion(text, ended, reason, tokens, raw)
