"""Which rows stand in which batch: the same on one process and on several, with no row twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import Dataset, Sampler

from training.pack import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.encode import Encoded
    from training.frozen import States

NOBODY = -1
"""Fills the last batch up, so that all processes have as many."""


class Numbers(Dataset[int]):
    """A data set of row numbers: the collator has the rows."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: int) -> int:
        return index


class RowOrder(Sampler[int]):
    """A new order of the rows each epoch, from the seed alone; whole batches, filled up with nobody.

    Args:
        rows: How many there are.
        batch: Rows of a batch, of all processes together.
        seed: Of the run.
    """

    def __init__(self, rows: int, batch: int, seed: int) -> None:
        self._rows, self._batch, self._seed = rows, batch, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return -(-self._rows // self._batch) * self._batch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self._seed + self._epoch)
        yield from torch.randperm(self._rows, generator=generator).tolist()
        yield from [NOBODY] * (len(self) - self._rows)


class Collator:
    """Packs a batch of row numbers.

    Args:
        rows: The encoded rows.
        states: What the lower layers make of them, where that is known.
        max_tokens: The size of a pack; 0 puts every row into one of its own.
    """

    def __init__(self, rows: Sequence[Encoded], states: States | None, max_tokens: int) -> None:
        self._rows, self._states, self._max_tokens = rows, states, max_tokens

    def __call__(self, numbers: Sequence[int]) -> dict[str, Any]:
        """Return packs, the labels that the Trainer counts, and which rows these are."""
        chosen = [i for i in numbers if i != NOBODY]
        # All processes must run the model: one that has no row runs the first one, for nothing.
        run = chosen or [0]
        packs = pack([self._rows[i] for i in run], self._max_tokens)
        if self._states:
            packs = [self._states.give(packed, run) for packed in packs]
        labels = torch.cat([packed.labels for packed in packs]) if chosen else torch.full((1,), -100)
        return {
            # Plain mappings: the Trainer rebuilds containers in a way that named tuples do not survive.
            "packs": [packed._asdict() for packed in packs],
            "labels": labels,
            "shift_labels": labels,
            "rows": chosen,
            "tokens": sum(len(self._rows[i].ids) for i in chosen),
        }
