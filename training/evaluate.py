"""Score encoded rows in one pass of packs, as training has them: loss, exact match, end of turn."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn.functional import cross_entropy

from training.model import LoadedModel, autocast, evaluating
from training.pack import Pack, answer_logits, pack
from training.plan import MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.encode import Encoded

_BATCH = 64


class Measured(NamedTuple):
    """What a model makes of answers that are known."""

    loss: float
    """Nats per answer token."""
    exact_match: float
    """Share of rows whose every answer token, the end-of-turn token included, is the likeliest, 0 to 1."""
    end_of_turn: float
    """Share of rows after whose answer the model would end its turn, 0 to 1."""


def measure(
    loaded: LoadedModel, rows: Sequence[Encoded], precision: str = "auto", *, packing: bool = True
) -> Measured | None:
    """Measure encoded rows in one pass over them; None when there are none."""
    if not rows:
        return None
    loss, matched, ended = 0.0, 0, 0
    with _evaluating(loaded, precision):
        for batch in _batches(rows, _BATCH):
            right = [True] * len(batch)
            for packed in pack(batch, MAX_TOKENS if packing else 0):
                logits = answer_logits(loaded.model, packed.to(loaded.model.device))
                loss += cross_entropy(logits.float(), packed.labels.to(logits.device), reduction="sum").item()
                ended += _compare(logits, packed, right)
            matched += sum(right)
    tokens = sum(len(row.answer_ids) for row in rows)
    return Measured(loss / tokens, matched / len(rows), ended / len(rows))


@contextlib.contextmanager
def _evaluating(loaded: LoadedModel, precision: str) -> Iterator[None]:
    was_training = loaded.model.training
    evaluating(loaded.model)
    try:
        with torch.no_grad(), autocast(loaded.model, precision):
            yield
    finally:
        loaded.model.train(was_training)


def _compare(logits: torch.Tensor, packed: Pack, right: list[bool]) -> int:
    """Mark the rows with a token that is not the likeliest; return how many end-of-turn tokens are."""
    likeliest = (logits.argmax(dim=-1).cpu() == packed.labels).tolist()
    rows = packed.row.tolist()
    for row, likely in zip(rows, likeliest, strict=True):
        right[row] = right[row] and likely
    lasts = [i for i in range(len(rows)) if i + 1 == len(rows) or rows[i + 1] != rows[i]]
    return sum(likeliest[i] for i in lasts)


def _batches(rows: Sequence[Encoded], size: int) -> Iterator[Sequence[Encoded]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
