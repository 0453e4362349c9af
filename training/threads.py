"""Keep OpenMP's threads from spinning while they wait: on a shared machine that costs more than it saves."""

from __future__ import annotations

import os


def wait_passively() -> None:
    """Let idle OpenMP threads sleep; call it before torch is loaded, which reads the setting once.

    Two spinning threads beside one other busy process ran bf16 products at a fraction of the speed
    of two sleeping ones (see `benchmarks/training/threads.py`). A setting of the user's own is kept.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
