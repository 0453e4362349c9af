"""What the kernels compute hashes with: numbers of 64 bits, a mix of their bits, and a count of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from curation.compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

# Mixing whole numbers of Python into 64-bit ones would make floats of them.
U0, U1, U8, U29, U32 = (np.uint64(n) for n in (0, 1, 8, 29, 32))
ODD1, ODD2, ODD3 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


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


def _eight(_context: object, data: Any, _i: object) -> object:  # noqa: ANN401

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> object:  # noqa: ANN401
        begin = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(begin, [arguments[1]]), ir.IntType(64).as_pointer())
        word = builder.load(place)
        word.align = 1
        return builder.bswap(word)

    return types.uint64(data, types.int64), code


ones = cast("Callable[[np.uint64], int]", intrinsic(_ones))
"""How many bits of a 64-bit word are set: one instruction of the processor."""

eight = cast("Callable[[NDArray[np.uint8], int], np.uint64]", intrinsic(_eight))
"""The eight bytes of an array that begin at a place, the first one highest; the place need not be aligned."""
