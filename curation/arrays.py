"""Arrays in one file that is mapped into memory, and a sum over its bytes, by which damage is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from curation.compiled import compiled, over

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

Arrays = dict[str, "NDArray[np.generic]"]

ALIGNED = 64
PIECE = 1 << 24
ODD = np.uint64(0x9E3779B97F4A7C15)


class Place(msgspec.Struct, frozen=True):
    """Where an array stands in the file: its type, its shape, and its first byte."""

    dtype: str
    shape: tuple[int, ...]
    begin: int


def write_arrays(arrays: Mapping[str, NDArray[np.generic]], path: Path) -> dict[str, Place]:
    """Write arrays one behind the other; where each stands."""
    places = {}
    with path.open("wb") as stream:
        for name, array in arrays.items():
            places[name] = Place(array.dtype.str, array.shape, stream.tell())
            stream.write(np.ascontiguousarray(array).data)
            stream.write(bytes(-stream.tell() % ALIGNED))
    return places


def map_arrays(path: Path, places: Mapping[str, Place]) -> Arrays:
    """Map the arrays of a file into memory; what is written to them does not reach the file."""
    data = np.asarray(np.memmap(path, np.uint8, mode="c"))
    found: Arrays = {}
    for name, place in places.items():
        count = int(np.prod(place.shape)) * np.dtype(place.dtype).itemsize
        found[name] = data[place.begin : place.begin + count].view(place.dtype).reshape(place.shape)
    return found


def file_sum(path: Path, threads: int | None = None) -> int:
    """A number that another content would hardly have: fast, and no secret."""
    size = path.stat().st_size
    if not size:
        return 0
    data = np.asarray(np.memmap(path, np.uint8, mode="r"))
    whole = data[: size // 8 * 8].view(np.uint64)
    pieces = [whole[at : at + PIECE] for at in range(0, len(whole), PIECE)]
    pieces.append(data[size // 8 * 8 :].astype(np.uint64))
    sums = np.array(list(over(_sum, pieces, threads)), np.uint64)
    return int(_sum(np.append(sums, np.uint64(size))))


@compiled
def _sum(words: NDArray[np.uint64]) -> np.uint64:
    """A polynomial in an odd number, four at a time because each step waits for the one before."""
    sums = np.ones(4, np.uint64)
    for i in range(len(words) // 4):
        for k in range(4):
            sums[k] = (sums[k] ^ words[4 * i + k]) * ODD
    for i in range(len(words) // 4 * 4, len(words)):
        sums[0] = (sums[0] ^ words[i]) * ODD
    whole: np.uint64 = ((sums[0] * ODD + sums[1]) * ODD + sums[2]) * ODD + sums[3]
    return whole
