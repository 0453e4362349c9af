"""Try, on a model's own rows, whether it keeps packed rows apart, before anything is trained on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from curation.errors import UserError
from training.masks import demand_packable
from training.model import LoadedModel, autocast
from training.pack import answer_logits, pack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.encode import Encoded

_TOLERATED = 0.1
"""Mean error in standard deviations of the logits: rounding in bf16 makes 0.01, a mixed-up row 0.5."""


def demand_apart(loaded: LoadedModel, rows: Sequence[Encoded], precision: str) -> None:
    """Refuse to pack for a model that mixes rows: some architectures read neither masks nor positions.

    Raises:
        UserError: two packed rows have other logits than each alone.
    """
    demand_packable(loaded.model.config)
    two = sorted(rows, key=lambda row: len(row.ids))[:2]
    with torch.no_grad(), autocast(loaded.model, precision):
        packed, alone = _logits(loaded, two, 10**9), _logits(loaded, two, 0)
    error = (packed - alone).abs().mean() / alone.std()
    if error > _TOLERATED:
        raise UserError(
            f"{loaded.model.config.model_type} does not keep packed rows apart (error {error:.2f})",
            where="train.packing",
            fix="set train.packing to false",
        )


def _logits(loaded: LoadedModel, rows: Sequence[Encoded], max_tokens: int) -> torch.Tensor:
    packs = [one.to(loaded.model.device) for one in pack(rows, max_tokens)]
    order = torch.cat([one.row for one in packs]).argsort(stable=True)
    return torch.cat([answer_logits(loaded.model, one) for one in packs]).float()[order]
