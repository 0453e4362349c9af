"""Answer many prompts with a loaded model, the start they share computed once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from curation.errors import UserError
from training.alike import shared_prefix
from training.encode import Messages, encode_prompt, stop_ids
from training.model import LoadedModel, as_loaded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from transformers import DynamicCache, StaticCache


@dataclass(frozen=True)
class GenerateSettings:
    """How answers are produced."""

    max_new_tokens: int = 16
    """Tokens after which an answer is cut, with finish reason "length"."""
    batch_size: int = 16
    """Prompts answered side by side; the answers depend on it by no more than rounding."""
    temperature: float = 0.0
    """0 takes the likeliest token; above 0 samples."""
    seed: int = 0
    """Fixes the samples: each prompt draws from a stream of its own."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Auto is what the model was loaded in; another than that is refused."""


@dataclass(frozen=True)
class Answer:
    """One answer, with what it took to produce it."""

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    output_tokens: int
    """The end-of-turn token counts as one."""
    mean_entropy: float
    """Nats per output token, of the model's own distribution (temperature 1)."""
    seconds: float
    """This answer's even share of its batch's time."""


@dataclass
class _Row:
    index: int
    prompt: list[int]
    tokens: list[int]
    entropy: float = 0.0
    stopped: bool = False


def generate(
    loaded: LoadedModel,
    prompts: Sequence[Messages],
    settings: GenerateSettings | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Answer]:
    """Answer every prompt, in the order given.

    Args:
        loaded: Model and tokenizer.
        prompts: Conversations that end where the model is to speak.
        settings: Defaults to greedy answers of at most 16 tokens.
        progress: Called with (answers done, answers in all) after each batch.

    Raises:
        UserError: a prompt does not fit the model's context, or the precision is not the model's.
    """
    settings = settings or GenerateSettings()
    rows = [_Row(i, encode_prompt(loaded.tokenizer, prompt), []) for i, prompt in enumerate(prompts)]
    if not rows:
        return []
    _check_fit(loaded, rows, settings)
    answers: dict[int, Answer] = {}
    with torch.inference_mode(), as_loaded(loaded, settings.precision):
        shared = shared_prefix([row.prompt for row in rows])
        prefix = _read_prefix(loaded, rows[0].prompt[:shared])
        # Rows of like length side by side: the least padding.
        by_length = sorted(rows, key=lambda row: len(row.prompt))
        for start in range(0, len(rows), settings.batch_size):
            batch = by_length[start : start + settings.batch_size]
            began = time.perf_counter()
            _answer_batch(loaded, batch, shared, prefix, settings)
            share = (time.perf_counter() - began) / len(batch)
            answers.update({row.index: _finish(loaded, row, share) for row in batch})
            if progress:
                progress(len(answers), len(rows))
    return [answers[i] for i in range(len(rows))]


def _check_fit(loaded: LoadedModel, rows: Sequence[_Row], settings: GenerateSettings) -> None:
    limit = getattr(loaded.model.config, "max_position_embeddings", None)
    for row in rows:
        if limit and len(row.prompt) + settings.max_new_tokens > limit:
            raise UserError(
                f"{len(row.prompt)} prompt tokens and {settings.max_new_tokens} new ones exceed {limit}",
                where=f"prompt {row.index}",
                fix="shorten the prompt, or lower max_new_tokens",
            )


def _read_prefix(loaded: LoadedModel, prefix: Sequence[int]) -> DynamicCache:
    from transformers import DynamicCache

    cache = DynamicCache(config=loaded.model.config)
    if prefix:
        ids = torch.tensor([prefix], device=loaded.model.device)
        loaded.model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return cache


def _spread(loaded: LoadedModel, prefix: DynamicCache, shared: int, rows: int, length: int) -> StaticCache:
    # Room for the whole answer at once: a cache that grows copies itself at every token.
    from transformers import StaticCache

    cache = StaticCache(config=loaded.model.config, max_cache_len=length)
    if shared:
        for index, layer in enumerate(prefix.layers):
            cache.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), index)
    return cache


def _answer_batch(
    loaded: LoadedModel, batch: list[_Row], shared: int, prefix: DynamicCache, settings: GenerateSettings
) -> None:
    ids, mask, positions = _left_pad(batch, shared, loaded.model.device)
    cache = _spread(loaded, prefix, shared, len(batch), mask.shape[1] + settings.max_new_tokens)
    stops = set(stop_ids(loaded.tokenizer))
    draws = [torch.Generator().manual_seed(settings.seed * 1_000_003 + row.index) for row in batch]
    last = torch.tensor([-1], device=loaded.model.device)
    for _ in range(settings.max_new_tokens):
        # A tensor index: a slice would leave the head a strided view, which it multiplies very slowly.
        output = loaded.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=last,
        )
        scores = output.logits[:, -1].float()
        tokens = _choose(scores, settings.temperature, draws)
        _record(batch, tokens.tolist(), _entropy(scores).tolist(), stops)
        if all(row.stopped for row in batch):
            return
        ids = tokens[:, None]
        mask = torch.cat([mask, mask.new_ones(len(batch), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _left_pad(
    batch: list[_Row], shared: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # [shared prefix, cached][padding][the row's own tokens]: padding is hidden, and positions skip it.
    width = max(len(row.prompt) for row in batch) - shared
    ids, mask, positions = [], [], []
    for row in batch:
        own = row.prompt[shared:]
        pad = width - len(own)
        ids.append([0] * pad + own)
        mask.append([1] * shared + [0] * pad + [1] * len(own))
        positions.append([shared] * pad + list(range(shared, len(row.prompt))))
    return (
        torch.tensor(ids, device=device),
        torch.tensor(mask, device=device),
        torch.tensor(positions, device=device),
    )


def _choose(scores: torch.Tensor, temperature: float, draws: Sequence[torch.Generator]) -> torch.Tensor:
    if temperature == 0:
        return scores.argmax(dim=-1)
    # Inverse transform sampling: one uniform number a row and token, so neighbours in a batch cannot matter.
    uniform = torch.cat([torch.rand(1, 1, dtype=torch.float64, generator=draw) for draw in draws])
    reached = (scores.double() / temperature).softmax(dim=-1).cumsum(dim=-1)
    picked = torch.searchsorted(reached, uniform.to(scores.device) * reached[:, -1:])
    return picked.squeeze(1).clamp(max=scores.shape[-1] - 1)


def _entropy(scores: torch.Tensor) -> torch.Tensor:
    # log Z - E[score], as one product per row: no second table of the vocabulary's size.
    expected: torch.Tensor = torch.linalg.vecdot(scores.softmax(dim=-1), scores)
    return scores.logsumexp(dim=-1) - expected


def _record(batch: list[_Row], tokens: list[int], entropies: list[float], stops: set[int]) -> None:
    for row, token, entropy in zip(batch, tokens, entropies, strict=True):
        if not row.stopped:
            row.tokens.append(token)
            row.entropy += entropy
            row.stopped = token in stops


def _finish(loaded: LoadedModel, row: _Row, seconds: float) -> Answer:
    said = row.tokens[:-1] if row.stopped else row.tokens
    return Answer(
        text=str(loaded.tokenizer.decode(said, skip_special_tokens=True)),
        finish_reason="stop" if row.stopped else "length",
        prompt_tokens=len(row.prompt),
        output_tokens=len(row.tokens),
        mean_entropy=row.entropy / len(row.tokens),
        seconds=seconds,
    )
