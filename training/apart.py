"""Try, on a model's own rows, whether it keeps packed rows apart, before anything is trained on them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.masks import demand_packable
from training.memory import is_out_of_memory
from training.model import LoadedModel, autocast
from training.pack import answer_logits, pack
from training.plan import MAX_TOKENS, packed_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.encode import Encoded

_TESTED = {"llama", "gpt2", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "mistral"}
"""Architectures whose packs are tested: for them two rows are enough."""
_FIX = "set train.packing to false"
_TOLERATED = 0.1
"""Mean error in standard deviations of the logits: rounding in bf16 makes 0.01, a mixed-up row 0.5."""


def demand_apart(loaded: LoadedModel, rows: Sequence[Encoded], precision: str) -> None:
    """Refuse to pack for a model that mixes rows: some architectures read neither masks nor positions.

    Raises:
        UserError: two packed rows have other logits than each alone.
    """
    demand_packable(loaded.model.config)
    kind = loaded.model.config.model_type
    try:
        with torch.no_grad(), autocast(loaded.model, precision):
            error = _error(loaded, _sample(rows, whole=kind not in _TESTED))
    except (ValueError, RuntimeError, TypeError) as fault:  # what models raise for a mask they cannot read
        if is_out_of_memory(fault):
            raise
        problem = f"{kind} cannot read packed rows: {fault}"
        raise UserError(problem, where="train.packing", fix=_FIX) from fault
    if error > _TOLERATED:
        problem = f"{kind} does not keep packed rows apart (error {error:.2f})"
        raise UserError(problem, where="train.packing", fix=_FIX)


def _sample(rows: Sequence[Encoded], *, whole: bool) -> list[Encoded]:
    """The two shortest rows, or as many as fill a whole pack: a window of places shows only there."""
    if not whole:
        return sorted(rows, key=lambda row: len(row.ids))[:2]
    chosen: list[Encoded] = []
    # Few rows are repeated: what is tried is the length of a pack.
    for row in itertools.islice(itertools.cycle(rows), MAX_TOKENS):
        if packed_tokens([*chosen, row], 10**9) > MAX_TOKENS and len(chosen) > 1:
            break
        chosen.append(row)
    return chosen


def _error(loaded: LoadedModel, rows: Sequence[Encoded]) -> float:
    """Mean error of the logits of the first and the last packed row, in standard deviations."""
    (packed,) = (one.to(loaded.model.device) for one in pack(rows, 10**9))
    logits, errors = answer_logits(loaded.model, packed).float(), []
    for number in {int(packed.row[0]), int(packed.row[-1])}:
        (alone,) = (one.to(loaded.model.device) for one in pack([rows[number]], 0))
        expected = answer_logits(loaded.model, alone).float()
        errors.append(((logits[packed.row == number] - expected).abs().mean() / expected.std()).item())
    return max(errors)
