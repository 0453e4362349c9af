"""Answers from an OpenAI-compatible server, such as vLLM, by the standard library alone."""

from __future__ import annotations

import json
import math
import os
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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
    texts: list[str] = []
    nats: list[float] = []
    reason = "stop"
    usage: dict[str, Any] = {}
    for event in _events(endpoint, body):
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            new = (choice.get("delta") or {}).get("content") or ""
            texts.append(new)
            nats += [_entropy(token) for token in (choice.get("logprobs") or {}).get("content") or []]
            reason = choice.get("finish_reason") or reason
            if new and stream:
                stream(new)
    return Answer(
        text="".join(texts),
        finish_reason="length" if reason == "length" else "stop",
        prompt_tokens=int(usage.get("prompt_tokens", 0)),
        output_tokens=int(usage.get("completion_tokens", len(nats))),
        mean_entropy=sum(nats) / len(nats) if nats else None,
        seconds=time.perf_counter() - began,
    )


def _entropy(token: dict[str, Any]) -> float:
    """Nats, from the likeliest alternatives; what is not told counts as one more: a lower bound."""
    told = [math.exp(other["logprob"]) for other in token.get("top_logprobs") or []]
    rest = max(0.0, 1.0 - sum(told))
    return -sum(p * math.log(p) for p in [*told, rest] if p > 0)


def _events(endpoint: Endpoint, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    with _opened(endpoint, body) as reply:
        try:
            for line in reply:
                data = line.decode("utf-8").strip().removeprefix("data:").strip()
                if data and data != "[DONE]":
                    yield json.loads(data)
        except (ValueError, OSError) as fault:
            problem = f"the server's answer cannot be read: {fault}"
            raise UserError(
                problem, where=endpoint.url, fix="is this an OpenAI-compatible server?"
            ) from fault


def _opened(endpoint: Endpoint, body: dict[str, Any]) -> Any:  # noqa: ANN401 - urllib's reply is untyped
    if not endpoint.url.startswith(("http://", "https://")):
        raise UserError("not an address", where=endpoint.url, fix="give one such as http://localhost:8000/v1")
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(endpoint.key_variable):
        headers["Authorization"] = f"Bearer {key}"
    address = endpoint.url.rstrip("/") + "/chat/completions"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)  # noqa: S310 - checked above
    for attempt in range(_TRIES):
        try:
            return urllib.request.urlopen(request, timeout=_SECONDS)  # noqa: S310 - checked above
        except urllib.error.HTTPError as fault:
            if fault.code not in (408, 429, 500, 502, 503) or attempt + 1 == _TRIES:
                said = fault.read(500).decode("utf-8", "replace")
                problem = f"the server refused: {fault.code} {said}"
                fix = "check the model's name and the key"
                raise UserError(problem, where=address, fix=fix) from fault
        except OSError as fault:
            if attempt + 1 == _TRIES:
                problem = f"the server does not answer: {fault}"
                raise UserError(problem, where=address, fix="start it, or correct the address") from fault
        time.sleep(2.0**attempt)
    raise AssertionError("unreachable")
