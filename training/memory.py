"""What to do when memory runs out: the same step in smaller batches, or words that say what to lower."""

from __future__ import annotations

import gc
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from curation.errors import UserError

if TYPE_CHECKING:
    from training.settings import TrainSettings


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error is a device's or the machine's lack of memory."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    # The CPU's allocator has no error of its own.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def with_smaller_batches(settings: TrainSettings, processes: int) -> TrainSettings:
    """Return settings with at most half the batch and as many rows in a step as before.

    Args:
        settings: What was too much.
        processes: How many share a batch.

    Raises:
        UserError: one row at a time is too much already.
    """
    rows = settings.batch_size * settings.gradient_accumulation_steps
    for batch in range(settings.batch_size // 2, 0, -1):
        if rows % batch == 0 and batch % processes == 0:
            return replace(settings, batch_size=batch, gradient_accumulation_steps=rows // batch)
    raise UserError(
        f"memory ran out with {settings.batch_size} row(s) at a time",
        where="train.batch_size",
        fix="lower train.max_length or train.last_layers, set train.gradient_checkpointing to true,"
        ' or use train.method = "qlora" or a smaller train.base_model',
    )


def release() -> None:
    """Give back the memory of what is no longer used."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
