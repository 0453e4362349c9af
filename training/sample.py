"""Choose the next token of each row: the likeliest, or a sample that no neighbour touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.generate import GenerateSettings


def choose(
    scores: torch.Tensor, settings: GenerateSettings, draws: Sequence[torch.Generator]
) -> torch.Tensor:
    """Return a token for each row.

    Args:
        scores: (rows, vocabulary) logits in fp32.
        settings: Temperature, and the cuts `top_k` and `top_p`.
        draws: A stream of random numbers for each row.

    Returns:
        (rows,) token ids.
    """
    if settings.temperature == 0:
        return scores.argmax(dim=-1)
    likely = (scores.double() / settings.temperature).softmax(dim=-1)
    likely = _cut(likely, settings.top_k, settings.top_p)
    # Inverse transform sampling: one uniform number a row and token, so neighbours in a batch cannot matter.
    uniform = torch.cat([torch.rand(1, 1, dtype=torch.float64, generator=draw) for draw in draws])
    reached = likely.cumsum(dim=-1)
    picked = torch.searchsorted(reached, uniform.to(scores.device) * reached[:, -1:])
    return picked.squeeze(1).clamp(max=scores.shape[-1] - 1)


def entropy(scores: torch.Tensor) -> torch.Tensor:
    """Return the (rows,) entropy in nats of each row's own distribution (temperature 1, nothing cut)."""
    # log Z - E[score], as one product per row: no second table of the vocabulary's size.
    expected: torch.Tensor = torch.linalg.vecdot(scores.softmax(dim=-1), scores)
    return scores.logsumexp(dim=-1) - expected


def _cut(likely: torch.Tensor, top_k: int, top_p: float) -> torch.Tensor:
    """Probabilities without those beyond the k largest, and beyond the largest that make up p together."""
    if not top_k and top_p == 1:
        return likely
    ordered, order = likely.sort(dim=-1, descending=True)
    kept = torch.ones_like(ordered, dtype=torch.bool)
    if top_k:
        kept[:, top_k:] = False
    kept &= ordered.cumsum(dim=-1) - ordered < top_p
    return torch.zeros_like(likely).scatter(1, order, ordered * kept)
