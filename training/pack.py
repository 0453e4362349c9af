"""Lay rows that start alike into one sequence, the common start computed once, and score their answers.

Shared-prefix packing: `[prefix][suffix 1][suffix 2]...`, where each suffix sees the prefix and itself only and
its positions go on from the prefix's end. Every row's logits and gradients are those it has alone (up to
rounding), at a fraction of the tokens where prompts share a policy or a system prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F


if TYPE_CHECKING:
    from training.encode import Encoded
    from collections.abc import Sequence
    from transformers import PreTrainedModel

MIN_PREFIX = 16
"""Tokens: below this, sharing saves less than it costs to arrange."""
MAX_TOKENS = 1024
"""Tokens of one pack: attention's mask grows with the square."""


class Pack(NamedTuple):
    """One sequence of T tokens holding several rows, and the N places where an answer token is predicted."""

    input_ids: torch.Tensor
    """(1, T)"""
    position_ids: torch.Tensor
    """(1, T): each token's place in its own row."""
    visible: torch.Tensor
    """(1, 1, T, T) bool: whether query (row) may see key (column)."""
    predicts: torch.Tensor
    """(N,): indices into T of the tokens whose logits are needed."""
    labels: torch.Tensor
    """(N,): the token each of them must predict."""
    row: torch.Tensor
    """(N,): which of the given rows each label belongs to."""

    def to(self, device: torch.device) -> Pack:
        """Return the pack with its tensors on another device."""
        return Pack(*(tensor.to(device) for tensor in self))


def shared_prefix(prompts: Sequence[Sequence[int]]) -> int:
    """Return how many first tokens all prompts share, or 0 when too few to be worth sharing.

    One token of every prompt stays out of it: the one that predicts the row's own first answer token.
    """
    first, last = min(prompts), max(prompts)
    limit = min(len(prompt) for prompt in prompts) - 1
    length = next((i for i in range(limit) if first[i] != last[i]), limit)
    return length if length >= MIN_PREFIX else 0


def pack(rows: Sequence[Encoded], max_tokens: int = MAX_TOKENS) -> list[Pack]:
    """Lay rows into as few sequences as fit, in order, each starting with the prefix that all rows share.

    Args:
        rows: Encoded rows of any lengths.
        max_tokens: The size of one sequence; a row that is longer by itself gets a sequence of its own.
    """
    if not rows:
        return []
    prefix = shared_prefix([row.prompt_ids for row in rows])
    packs: list[Pack] = []
    held: list[int] = []
    size = prefix
    for i, row in enumerate(rows):
        # The last answer token is predicted, never read: it needs no place.
        length = len(row.ids) - 1 - prefix
        if held and size + length > max_tokens:
            packs.append(_lay_out(rows, held, prefix))
            held, size = [], prefix
        held.append(i)
        size += length
    return [*packs, _lay_out(rows, held, prefix)]


def answer_logits(model: PreTrainedModel, pack: Pack) -> torch.Tensor:
    """Run one pack and return the (N, vocabulary) logits that predict its labels, and no others."""
    output: Any = model(
        input_ids=pack.input_ids,
        position_ids=pack.position_ids,
        attention_mask=_mask_for(model, pack.visible),
        use_cache=False,
        logits_to_keep=pack.predicts,
    )
    return output.logits[0]  # type: ignore[no-any-return]


def answer_loss(model: PreTrainedModel, pack: Pack) -> torch.Tensor:
    """Return the summed cross-entropy (nats) of a pack's answer tokens, in fp32."""
    return F.cross_entropy(answer_logits(model, pack).float(), pack.labels, reduction="sum")


def _lay_out(rows: Sequence[Encoded], held: Sequence[int], prefix: int) -> Pack:
    ids, positions = rows[held[0]].ids[:prefix], list(range(prefix))
    segment = [-1] * prefix
    predicts: list[int] = []
    labels: list[int] = []
    owner: list[int] = []
    for i in held:
        row, start = rows[i], len(ids)
        suffix = row.ids[prefix:-1]
        first = start + len(row.prompt_ids) - 1 - prefix
        predicts += range(first, first + len(row.answer_ids))
        labels += row.answer_ids
        owner += [i] * len(row.answer_ids)
        ids += suffix
        positions += range(prefix, prefix + len(suffix))
        segment += [i] * len(suffix)
    visible = _visible(torch.tensor(segment))
    return Pack(
        torch.tensor([ids]),
        torch.tensor([positions]),
        visible,
        torch.tensor(predicts),
        torch.tensor(labels),
        torch.tensor(owner),
    )


def _visible(segment: torch.Tensor) -> torch.Tensor:
    own = segment[:, None] == segment[None, :]
    prefix = (segment == -1)[None, :]
    return (own | prefix).tril()[None, None]


def _mask_for(model: PreTrainedModel, visible: torch.Tensor) -> torch.Tensor:
    if model.config._attn_implementation != "eager":
        return visible
    # Eager attention adds its mask to the scores, so a boolean one would be added as 0 and 1.
    hidden = torch.finfo(model.dtype).min
    return torch.zeros(visible.shape, dtype=model.dtype, device=visible.device).masked_fill(~visible, hidden)
