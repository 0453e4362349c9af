"""Answer many prompts with a loaded model or a served one, the start they share computed once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from curation.errors import UserError
from training.answer import Answer, Growing
from training.encode import Messages, encode_prompt, stop_ids
from training.endpoint import Endpoint, ask
from training.model import LoadedModel, as_loaded, context_of
from training.sample import choose, entropy
from training.start import Start, lay, read_start, spread
from training.virtual import inner_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Progress = Callable[[int, int], None]
    Stream = Callable[[int, str], None]


@dataclass(frozen=True)
class GenerateSettings:
    """How answers are produced.

    Raises:
        UserError: a value is out of range.
    """

    max_new_tokens: int = 16
    """Tokens after which an answer is cut, with finish reason "length"."""
    batch_size: int = 16
    """Prompts answered side by side; the answers depend on it by no more than rounding."""
    temperature: float = 0.0
    """0 takes the likeliest token; above 0 samples."""
    top_k: int = 0
    """Samples come from this many of the likeliest tokens; 0: from all."""
    top_p: float = 1.0
    """Samples come from the likeliest tokens that make up this share of the probability."""
    stop: tuple[str, ...] = ()
    """Texts that end an answer, and are no part of it."""
    seed: int = 0
    """Fixes the samples: each prompt draws from a stream of its own."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Auto is what the model was loaded in; another than that is refused."""

    def __post_init__(self) -> None:
        for name, allowed, holds in (
            ("max_new_tokens", "1 or more", self.max_new_tokens >= 1),
            ("batch_size", "1 or more", self.batch_size >= 1),
            ("temperature", "0 or more", 0 <= self.temperature < float("inf")),
            ("top_k", "0 (all) or more", self.top_k >= 0),
            ("top_p", "above 0, and at most 1", 0 < self.top_p <= 1),
            ("stop", "texts that are not empty", isinstance(self.stop, (tuple, list)) and all(self.stop)),
        ):
            if not holds:
                problem = f"{getattr(self, name)!r} is no {name}"
                raise UserError(problem, where=f"generate.{name}", fix=f"make it {allowed}")


def generate(
    loaded: LoadedModel | Endpoint,
    prompts: Sequence[Messages],
    settings: GenerateSettings | None = None,
    progress: Progress | None = None,
    stream: Stream | None = None,
) -> list[Answer]:
    """Answer every prompt, in the order given.

    Args:
        loaded: Model and tokenizer, or an OpenAI-compatible endpoint such as vLLM's.
        prompts: Conversations that end where the model is to speak.
        settings: Defaults to greedy answers of at most 16 tokens.
        progress: Called with (answers done, answers in all) after each batch.
        stream: Called with (number of the prompt, new text) as answers grow; the texts add up to the answer.

    Raises:
        UserError: a prompt does not fit the model's context, the precision is not the model's, or the
            endpoint does not answer.
    """
    settings = settings or GenerateSettings()
    if isinstance(loaded, Endpoint):
        return ask(loaded, prompts, settings, progress, stream)
    rows = [Growing(i, encode_prompt(loaded.tokenizer, prompt)) for i, prompt in enumerate(prompts)]
    if not rows:
        return []
    _check_fit(loaded, rows, settings)
    answers: dict[int, Answer] = {}
    with torch.inference_mode(), as_loaded(loaded, settings.precision):
        longest = max(len(row.prompt) for row in rows) + settings.max_new_tokens
        start = read_start(loaded, [row.prompt for row in rows], longest)
        size = 1 if start.alone else settings.batch_size
        # Rows of like length side by side: the least padding.
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        for place in range(0, len(rows), size):
            batch = by_length[place : place + size]
            began = time.perf_counter()
            answer_batch(loaded, batch, start, settings, stream)
            share = (time.perf_counter() - began) / len(batch)
            answers.update({row.index: row.finish(loaded.tokenizer, share) for row in batch})
            if progress:
                progress(len(answers), len(rows))
    return [answers[i] for i in range(len(rows))]


def _check_fit(loaded: LoadedModel, rows: Sequence[Growing], settings: GenerateSettings) -> None:
    limit = context_of(loaded)
    for row in rows:
        if limit and len(row.prompt) + settings.max_new_tokens > limit:
            raise UserError(
                f"{len(row.prompt)} prompt tokens and {settings.max_new_tokens} new ones exceed {limit}",
                where=f"prompt {row.index}",
                fix="shorten the prompt, or lower max_new_tokens",
            )


def answer_batch(
    loaded: LoadedModel,
    batch: list[Growing],
    start: Start,
    settings: GenerateSettings,
    stream: Stream | None = None,
) -> None:
    """Let answers grow side by side until each has stopped, or has all its tokens.

    Args:
        loaded: Model and tokenizer.
        batch: The answers, whose prompts begin with what `start` holds.
        start: What all prompts start with.
        settings: How answers are produced; their precision is the caller's.
        stream: Called with (number of the prompt, new text) as answers grow.
    """
    model, tokenizer = inner_model(loaded.model), loaded.tokenizer
    ids, mask, positions = lay([row.prompt for row in batch], start, model.device)
    cache = spread(loaded, start, len(batch), mask.shape[1] + settings.max_new_tokens)
    ends = set(stop_ids(tokenizer))
    draws = [torch.Generator().manual_seed(settings.seed * 1_000_003 + row.index) for row in batch]
    last = torch.tensor([-1], device=model.device)
    for step in range(settings.max_new_tokens):
        # A tensor index: a slice would leave the head a strided view, which it multiplies very slowly.
        output = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
        )
        scores = output.logits[:, -1].float()
        tokens = choose(scores, settings, draws)
        for row, token, nats in zip(batch, tokens.tolist(), entropy(scores).tolist(), strict=True):
            row.add(token, nats, ends, settings.stop, tokenizer)
            if stream and (
                new := row.fresh(tokenizer, settings.stop, last=step + 1 == settings.max_new_tokens)
            ):
                stream(row.index, new)
        if all(row.stopped for row in batch):
            return
        ids = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(batch), 1)], dim=1)
        positions = positions[:, -1:] + 1
