"""Answers from an OpenAI-compatible server, such as vLLM, by the standard library alone."""

from __future__ import annotations

import json
import math
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException, InvalidURL
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from training.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from training.encode import Messages
    from training.generate import GenerateSettings

_ALTERNATIVES = 20
_TRIES = 3
_SECONDS = 300.0


@dataclass(frozen=True)
class Endpoint:
    """A server and a model on it.

    Attributes:
        url: Up to and with its version: "http://localhost:8000/v1".
        model: The name that the server knows the model, or the adapter, by.
        key_variable: Environment variable with the key; no key is sent where it is not set.
    """

    url: str
    model: str
    key_variable: str = "OPENAI_API_KEY"


def ask(
    endpoint: Endpoint,
    prompts: Sequence[Messages],
    settings: GenerateSettings,
    progress: Callable[[int, int], None] | None = None,
    stream: Callable[[int, str], None] | None = None,
) -> list[Answer]:
    """Answer every prompt, in the order given, `batch_size` at a time.

    Raises:
        UserError: the server cannot be reached, refuses, or answers with something else.
    """
    answers: list[Answer] = []
    with ThreadPoolExecutor(max_workers=settings.batch_size) as pool:

        def one(index: int) -> Answer:
            told = (lambda text: stream(index, text)) if stream else None
            return _one(endpoint, prompts[index], settings, settings.seed + index, told)

        for answer in pool.map(one, range(len(prompts))):
            answers.append(answer)
            if progress:
                progress(len(answers), len(prompts))
    return answers


def _one(
    endpoint: Endpoint,
    prompt: Messages,
    settings: GenerateSettings,
    seed: int,
    stream: Callable[[str], None] | None,
) -> Answer:
    body: dict[str, Any] = {
        "model": endpoint.model,
        "messages": [dict(message) for message in prompt],
        "max_tokens": settings.max_new_tokens,
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "seed": seed,
        "logprobs": True,
        "top_logprobs": _ALTERNATIVES,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if settings.stop:
        body["stop"] = list(settings.stop)
    if settings.top_k:
        body["top_k"] = settings.top_k  # vLLM's own; the public service has none
    began = time.perf_counter()
    heard = _Heard()
    for event in _events(endpoint, body):
        try:
            new = heard.take(event)
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise _unreadable(endpoint, f"{type(fault).__name__}: {fault}") from fault
        if new and stream:
            stream(new)
    if heard.reason not in ("stop", "length"):
        said = f"ended it for {heard.reason!r}" if heard.reason else "broke off"
        fix = "ask again, or look into the server's log"
        raise UserError(f"the server gave no whole answer: it {said}", where=endpoint.url, fix=fix)
    nats = heard.nats
    return Answer(
        text="".join(heard.texts),
        finish_reason="length" if heard.reason == "length" else "stop",
        prompt_tokens=heard.prompt_tokens,
        output_tokens=len(nats) if heard.output_tokens is None else heard.output_tokens,
        mean_entropy=sum(nats) / len(nats) if nats else None,
        seconds=time.perf_counter() - began,
    )


@dataclass
class _Heard:
    """What was heard of one answer so far."""

    texts: list[str] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    reason: str | None = None
    prompt_tokens: int = 0
    output_tokens: int | None = None

    def take(self, event: dict[str, Any]) -> str:
        """Take an event, and return its new text; what it may raise says that it is none."""
        if event.get("error"):
            raise ValueError(json.dumps(event["error"]))
        usage = event.get("usage") or {}
        self.prompt_tokens = int(usage.get("prompt_tokens") or self.prompt_tokens)
        if usage.get("completion_tokens") is not None:
            self.output_tokens = int(usage["completion_tokens"])
        new = ""
        for choice in event.get("choices") or []:
            new += (choice.get("delta") or {}).get("content") or ""
            self.nats += [_entropy(token) for token in (choice.get("logprobs") or {}).get("content") or []]
            self.reason = choice.get("finish_reason") or self.reason
        self.texts.append(new)
        return new


def _entropy(token: dict[str, Any]) -> float:
    """Nats, from the likeliest alternatives; what is not told counts as one more: a lower bound."""
    told = [math.exp(other["logprob"]) for other in token.get("top_logprobs") or []]
    rest = max(0.0, 1.0 - sum(told))
    return -sum(p * math.log(p) for p in [*told, rest] if p > 0)


def _events(endpoint: Endpoint, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with _opened(endpoint, body) as reply:
        try:
            for line in reply:
                text = line.decode("utf-8").strip()
                data = text.removeprefix("data:").strip()
                # Server-sent events also have comments, which keep a connection open, and other fields.
                if data and data != "[DONE]" and not text.startswith((":", "event:", "id:", "retry:")):
                    yield json.loads(data)
        except (ValueError, OSError, HTTPException) as fault:
            raise _unreadable(endpoint, str(fault)) from fault


def _unreadable(endpoint: Endpoint, why: str) -> UserError:
    problem = f"the server's answer cannot be read: {why}"
    return UserError(problem, where=endpoint.url, fix="is this an OpenAI-compatible server?")


def _opened(endpoint: Endpoint, body: dict[str, Any]) -> Any:  # noqa: ANN401 - urllib's reply is untyped
    if not endpoint.url.startswith(("http://", "https://")):
        raise UserError("not an address", where=endpoint.url, fix="give one such as http://localhost:8000/v1")
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(endpoint.key_variable):
        headers["Authorization"] = f"Bearer {key}"
    address = endpoint.url.rstrip("/") + "/chat/completions"
    for attempt in range(_TRIES):
        try:
            request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
            return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - checked above
        except urllib.error.HTTPError as fault:
            if fault.code not in (408, 429, 500, 502, 503) or attempt + 1 == _TRIES:
                said = fault.read(500).decode("utf-8", "replace")
                problem = f"the server refused: {fault.code} {said}"
                fix = "check the model's name and the key"
                raise UserError(problem, where=address, fix=fix) from fault
        except (InvalidURL, ValueError) as fault:
            fix = "correct the address: http://localhost:8000/v1 is one"
            raise UserError(f"not an address: {fault}", where=endpoint.url, fix=fix) from fault
        except (OSError, HTTPException) as fault:
            if attempt + 1 == _TRIES:
                problem = f"the server does not answer: {fault}"
                raise UserError(problem, where=address, fix="start it, or correct the address") from fault
        time.sleep(2.0**attempt)
    raise AssertionError("unreachable")
