"""What a batch of prompts starts with: virtual tokens and their common start, computed once and cached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from training.alike import shared_prefix
from training.masks import sliding_window
from training.virtual import embed, inner_model, virtual_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import DynamicCache, StaticCache

    from training.model import LoadedModel


class Start(NamedTuple):
    """What comes before the rows' own tokens: virtual tokens, then the common start of all prompts."""

    cache: DynamicCache
    virtual: int
    shared: int
    alone: bool
    """Whether rows cannot stand side by side behind it."""

    @property
    def cached(self) -> int:
        """How many places it takes."""
        return self.virtual + self.shared


class Laid(NamedTuple):
    """Prompts side by side behind their start: `[start, cached][padding][own tokens]`."""

    ids: torch.Tensor
    """(rows, width): padding is hidden, and positions skip it."""
    mask: torch.Tensor
    """(rows, cached + width)"""
    positions: torch.Tensor
    """(rows, width)"""


def read_start(loaded: LoadedModel, prompts: Sequence[list[int]], longest: int) -> Start:
    """Compute what all prompts share.

    Args:
        loaded: Model and tokenizer.
        prompts: Token ids of each, at least one.
        longest: Tokens of the longest prompt with its answer.
    """
    from transformers import DynamicCache

    shared, alone = shared_prefix(prompts), False
    virtual = virtual_tokens(loaded.model)
    length = virtual.length if virtual else 0
    window = sliding_window(loaded.model.config)
    if window and length + longest > window:
        # A sliding layer counts places, and padding would stand between the start and the row.
        shared, alone = 0, virtual is not None
    cache = virtual.cache if virtual and virtual.cache else DynamicCache(config=loaded.model.config)
    model, ids = inner_model(loaded.model), prompts[0][:shared]
    if ids or (virtual and virtual.embeddings is not None):
        given: dict[str, Any] = {"input_ids": torch.tensor([ids], dtype=torch.long, device=model.device)}
        if virtual:
            given = embed(loaded.model, virtual, given["input_ids"])
        model(**given | {"past_key_values": cache}, use_cache=True, logits_to_keep=1)
    return Start(cache, length, shared, alone)


def spread(loaded: LoadedModel, start: Start, rows: int, length: int) -> StaticCache:
    """Return a cache with room for `length` places of so many rows, the start filled in."""
    # Room for the whole answer at once: a cache that grows copies itself at every token.
    from transformers import StaticCache

    cache = StaticCache(config=loaded.model.config, max_cache_len=length)
    if start.cached:
        for index, layer in enumerate(start.cache.layers):
            cache.update(layer.keys.expand(rows, -1, -1, -1), layer.values.expand(rows, -1, -1, -1), index)
    return cache


def lay(prompts: Sequence[list[int]], start: Start, device: torch.device) -> Laid:
    """Lay prompts out so that all end in the last column."""
    width = max(len(prompt) for prompt in prompts) - start.shared
    ids, mask, positions = [], [], []
    for prompt in prompts:
        own = prompt[start.shared :]
        pad = width - len(own)
        ids.append([0] * pad + own)
        mask.append([1] * start.cached + [0] * pad + [1] * len(own))
        positions.append([start.cached] * pad + list(range(start.cached, start.cached + len(own))))
    return Laid(*(torch.tensor(table, device=device) for table in (ids, mask, positions)))
