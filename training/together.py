"""Several processes on one job: who writes, and where all wait for one another."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def processes() -> int:
    """Return how many processes train together, as their launcher (accelerate, torchrun) says."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def first() -> bool:
    """Say whether this process is the one that writes."""
    return int(os.environ.get("RANK", "0")) == 0


def sharded() -> bool:
    """Say whether accelerate was told to spread the model itself over the processes."""
    return any(os.environ.get(f"ACCELERATE_USE_{how}") == "true" for how in ("FSDP", "DEEPSPEED"))


@contextlib.contextmanager
def joined() -> Iterator[None]:
    """Connect this process with the others while the context lasts."""
    if processes() == 1:
        yield
        return
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    try:
        yield
    finally:
        state.destroy_process_group()


def wait() -> None:
    """Wait until every process is here."""
    if processes() > 1:
        from accelerate import PartialState

        PartialState().wait_for_everyone()
