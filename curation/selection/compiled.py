"""The one decorator of the kernels: compiled by numba once, kept on disk, the same result on every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Kernel = TypeVar("Kernel", bound="Callable[..., object]")


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays and numbers; threads may run it side by side.

    `fastmath` stays off: sums keep their order, so ties fall the same way on every machine.
    """
    try:
        return cast("Kernel", njit(cache=True, nogil=True, fastmath=False)(function))
    except RuntimeError:  # no folder to keep it in: it is compiled by every process
        return cast("Kernel", njit(nogil=True, fastmath=False)(function))
