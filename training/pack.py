"""Lay rows that start alike into one sequence, the common start computed once, and score their answers.

Shared-prefix packing: `[prefix][suffix 1][suffix 2]...`, where each suffix sees its prefix and itself only
and its positions go on from the prefix's end. Every row's logits and gradients are those it has alone (up
to rounding), at a fraction of the tokens where prompts share a policy or a system prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn import functional

from training.masks import attention_mask
from training.plan import MAX_TOKENS, plan
from training.virtual import Virtual, embed, inner_model, virtual_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel

    from training.alike import Group
    from training.encode import Encoded


class Pack(NamedTuple):
    """One sequence of T tokens holding several rows, and the N places where an answer token is predicted."""

    input_ids: torch.Tensor
    """(1, T)"""
    position_ids: torch.Tensor
    """(1, T): each token's place in its own row."""
    segment: torch.Tensor
    """(T,): which of the given rows each token belongs to; -1 in a prefix, which belongs to several."""
    group: torch.Tensor
    """(T,): which prefix a token is part of or stands behind."""
    owner: torch.Tensor
    """(T,): a row that has the token at that place: a prefix is shown as its first row's."""
    predicts: torch.Tensor
    """(N,): indices into T of the tokens whose logits are needed."""
    labels: torch.Tensor
    """(N,): the token each of them must predict."""
    row: torch.Tensor
    """(N,): which of the given rows each label belongs to."""
    states: torch.Tensor | None = None
    """(1, T, width): what the model's lower layers make of the tokens, where that is known already."""

    def to(self, device: torch.device) -> Pack:
        """Return the pack with its tensors on another device."""
        moved = {name: value.to(device) for name, value in self._asdict().items() if value is not None}
        return Pack(**moved)


def pack(rows: Sequence[Encoded], max_tokens: int = MAX_TOKENS) -> list[Pack]:
    """Lay rows into few sequences; rows that start alike stand behind one copy of their common start.

    Args:
        rows: Encoded rows of any lengths.
        max_tokens: The size of one sequence; a row that is longer by itself gets a sequence of its own.
    """
    return [_lay_out(rows, groups) for groups in plan(rows, max_tokens)]


def answer_logits(model: PreTrainedModel, pack: Pack) -> torch.Tensor:
    """Run one pack and return the (N, vocabulary) logits that predict its labels, and no others."""
    virtual = virtual_tokens(bare(model))
    if virtual is not None:
        return _behind(model, pack, virtual)
    source = {"input_ids": pack.input_ids} if pack.states is None else {"inputs_embeds": pack.states}
    output: Any = model(
        **source,
        position_ids=pack.position_ids,
        attention_mask=attention_mask(bare(model), pack),
        use_cache=False,
        logits_to_keep=pack.predicts,
    )
    return output.logits[0]  # type: ignore[no-any-return]


def bare(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model inside the wrapper that keeps several processes together."""
    inside = isinstance(model, torch.nn.parallel.DistributedDataParallel)
    return model.module if inside else model


def _behind(model: PreTrainedModel, pack: Pack, virtual: Virtual) -> torch.Tensor:
    cached = virtual.cache is not None
    length = virtual.length
    inside = torch.arange(0 if cached else length, device=pack.input_ids.device)
    output: Any = inner_model(model)(
        **embed(model, virtual, pack.input_ids),
        position_ids=torch.cat([inside[None], pack.position_ids + length], dim=1),
        attention_mask=attention_mask(model, pack, length, cached=cached),
        use_cache=cached,
        logits_to_keep=pack.predicts + len(inside),
    )
    return output.logits[0]  # type: ignore[no-any-return]


def answer_loss(model: PreTrainedModel, pack: Pack) -> torch.Tensor:
    """Return the summed cross-entropy (nats) of a pack's answer tokens, in fp32."""
    return functional.cross_entropy(answer_logits(model, pack).float(), pack.labels, reduction="sum")


def _lay_out(rows: Sequence[Encoded], groups: Sequence[Group]) -> Pack:
    columns: dict[str, list[int]] = {name: [] for name in ("ids", "position", "segment", "group", "owner")}
    predicts: list[int] = []
    labels: list[int] = []
    answered: list[int] = []

    def add(row: int, start: int, stop: int, segment: int, group: int) -> None:
        columns["ids"] += rows[row].ids[start:stop]
        columns["position"] += range(start, stop)
        for name, value in (("segment", segment), ("group", group), ("owner", row)):
            columns[name] += [value] * (stop - start)

    for number, (prefix, members) in enumerate(groups):
        add(members[0], 0, prefix, -1, number)
        for i in members:
            row = rows[i]
            first = len(columns["ids"]) + len(row.prompt_ids) - 1 - prefix
            predicts += range(first, first + len(row.answer_ids))
            labels += row.answer_ids
            answered += [i] * len(row.answer_ids)
            add(i, prefix, len(row.ids) - 1, i, number)
    ids, position, segment, group, owner = (torch.tensor(column) for column in columns.values())
    return Pack(
        ids[None],
        position[None],
        segment,
        group,
        owner,
        torch.tensor(predicts),
        torch.tensor(labels),
        torch.tensor(answered),
    )
