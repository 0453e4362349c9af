"""Feed known answers to a model, side by side and a chunk at a time, and see which tokens it would choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from training.encode import Encoded, stop_ids
from training.start import Start, lay, spread
from training.virtual import inner_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.model import LoadedModel

_CHUNK = 8
"""Answer tokens fed at once: few, because a row that is wrong is mostly wrong at once."""
_ROUNDING = 32
"""Logits in fp32 this many units of their last place apart may stand the other way round in another batch.
In bf16 that is true of so many that nothing would be left to decide: there a lead is a lead."""


class Place(NamedTuple):
    """What the model makes of one token of an answer."""

    lead: float
    """Its logit above that of the likeliest other token; of two that are equal the first is chosen."""
    rounding: float
    """A lead of no more than this, either way, may be rounding."""
    other: int
    """The likeliest other token."""


class Forced:
    """Rows whose answers are fed; any token that ends an answer stands for the one that does.

    Args:
        loaded: Model and tokenizer.
        rows: Encoded rows.
        start: What their prompts start with.
    """

    def __init__(self, loaded: LoadedModel, rows: Sequence[Encoded], start: Start) -> None:
        self._model = inner_model(loaded.model)
        self._ends = torch.tensor(stop_ids(loaded.tokenizer), device=self._model.device)
        self._answers = [row.answer_ids for row in rows]
        self._ids, self._mask, self._positions = lay(
            [row.prompt_ids for row in rows], start, self._model.device
        )
        room = self._mask.shape[1] + max(map(len, self._answers))
        self._cache = spread(loaded, start, len(rows), room)
        self._fed = 0

    def read(self) -> list[list[Place]]:
        """Feed the next chunk of each row that is left; a list for each of them, in order."""
        parts = [answer[self._fed : self._fed + _CHUNK] for answer in self._answers]
        size = max(map(len, parts))
        padded = [part + [0] * (size - len(part)) for part in parts]
        chunk = torch.tensor(padded, device=self._model.device)
        logits = self._run(chunk)
        last = [len(answer) - self._fed - 1 for answer in self._answers]
        self._fed += size
        seen = _compare(logits, chunk, torch.tensor(last, device=chunk.device), self._ends)
        return [places[: len(part)] for places, part in zip(seen, parts, strict=True)]

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows alone, by number among those that are left."""
        self._answers = [self._answers[i] for i in rows]
        if len(rows) == len(self._ids):
            return
        kept = torch.tensor(rows, dtype=torch.long, device=self._model.device)
        self._ids, self._mask, self._positions = (
            table[kept] for table in (self._ids, self._mask, self._positions)
        )
        for layer in self._cache.layers:
            layer.keys, layer.values = layer.keys[kept], layer.values[kept]

    def _run(self, chunk: torch.Tensor) -> torch.Tensor:
        """Return the (rows, places, vocabulary) logits that predict a chunk."""
        rows, size = chunk.shape
        # Logits say what comes next: a chunk's last token is read with the chunk after it.
        ids = torch.cat([self._ids, chunk[:, :-1]], dim=1)
        ahead = torch.arange(1, size, device=chunk.device)
        positions = torch.cat([self._positions, self._positions[:, -1:] + ahead], dim=1)
        self._mask = torch.cat([self._mask, self._mask.new_ones(rows, size - 1)], dim=1)
        output = self._model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            # A tensor index: a slice would leave the head a strided view, which it multiplies very slowly.
            logits_to_keep=torch.arange(ids.shape[1] - size, ids.shape[1], device=chunk.device),
        )
        self._ids, self._positions = chunk[:, -1:], positions[:, -1:] + 1
        self._mask = torch.cat([self._mask, self._mask.new_ones(rows, 1)], dim=1)
        logits: torch.Tensor = output.logits
        return logits


def _compare(
    logits: torch.Tensor, chunk: torch.Tensor, last: torch.Tensor, ends: torch.Tensor
) -> list[list[Place]]:
    """Compare each token of a (rows, places) chunk with the likeliest other; overwrites the logits.

    At place `last` of a row, any token that ends an answer is right.
    """
    is_last = last[:, None] == torch.arange(chunk.shape[1], device=chunk.device)
    right = torch.where(is_last[..., None], ends, chunk[..., None])
    own = logits.gather(-1, right).amax(-1).float()
    highest, other = logits.scatter_(-1, right, -torch.inf).max(-1)
    best = highest.float()
    eps = torch.finfo(torch.float32).eps
    first = torch.where(chunk < other, eps, -eps)
    lead = torch.where(own == best, first, own - best)
    exact = logits.dtype != torch.bfloat16
    rounding = _ROUNDING * eps * exact * torch.maximum(own.abs(), best.abs())
    columns = (table.tolist() for table in (lead, rounding, other))
    return [[Place(*place) for place in zip(*row, strict=True)] for row in zip(*columns, strict=True)]
