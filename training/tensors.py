"""Write tensors to a safetensors file; a full disk is an error of the system, as for any other file."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from safetensors import SafetensorError
from safetensors.torch import save_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch


def save_tensors(tensors: dict[str, torch.Tensor], path: Path, about: dict[str, str] | None = None) -> None:
    """Write named tensors, and what is to be known about them.

    Raises:
        OSError: the disk is full.
    """
    with full_disk():
        save_file(tensors, path, about)


@contextlib.contextmanager
def full_disk() -> Iterator[None]:
    """Turn what safetensors says of a full disk into what the system says."""
    try:
        yield
    except SafetensorError as fault:
        if "os error 28" in str(fault) or "No space left" in str(fault):
            raise OSError(errno.ENOSPC, str(fault)) from fault
        raise
