"""What all kernels share: how they are compiled, and threads that run them beside each other."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Kernel = TypeVar("Kernel", bound="Callable[..., object]")
A = TypeVar("A")
B = TypeVar("B")


def compiled(function: Kernel) -> Kernel:
    """Compile a function of arrays and numbers, to code that is kept on disk and lets other threads run.

    `fastmath` stays off: sums keep their order, so ties fall the same way on every machine.
    """
    try:
        return cast("Kernel", njit(cache=True, nogil=True, fastmath=False)(function))
    except RuntimeError:  # no folder to keep it in: it is compiled by every process
        return cast("Kernel", njit(nogil=True, fastmath=False)(function))


def threads_of(threads: int | None) -> int:
    """The number of threads that is meant: all processors that this process may use unless given."""
    if threads:
        return threads
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def over(work: Callable[[A], B], parts: Iterable[A], threads: int | None) -> Iterator[B]:
    """Results of `work` on each part, in the order of the parts; kernels run beside each other."""
    count = threads_of(threads)
    if count == 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, parts)
