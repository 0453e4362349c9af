"""What all kernels share: the compiler's settings, the hash, and threads over blocks."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

F = TypeVar("F", bound="Callable[..., object]")
A = TypeVar("A")
B = TypeVar("B")

# Mixing whole numbers of Python into 64-bit ones would make floats of them.
U0, U1, U8, U29, U32 = (np.uint64(n) for n in (0, 1, 8, 29, 32))
ODD1, ODD2, ODD3 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def compiled(function: F) -> F:
    """Compile for this machine once, to code that is kept on disk and lets other threads run."""
    return cast("F", njit(cache=True, nogil=True)(function))


@compiled
def mix(x: np.uint64) -> np.uint64:
    """Spread every bit over all 64 (the finaliser of SplitMix64: Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> U32)) * ODD2
    x = (x ^ (x >> U29)) * ODD3
    return x ^ (x >> U32)


def _ones(_context: object, _x: object) -> object:

    def code(_context: object, builder: Any, _signature: object, arguments: Any) -> object:  # noqa: ANN401
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), code


ones = cast("Callable[[np.uint64], int]", intrinsic(_ones))
"""How many bits of a 64-bit word are set: one instruction of the processor."""


def threads_of(threads: int | None) -> int:
    """The number of threads that is meant: all processors that this process may use unless given."""
    return (
        threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def over(work: Callable[[A], B], parts: Iterable[A], threads: int | None) -> Iterator[B]:
    """Results of `work` on each part, in the order of the parts; kernels run beside each other."""
    count = threads_of(threads)
    if count == 1:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(count) as pool:
        yield from pool.map(work, parts)
