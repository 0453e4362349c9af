"""A join in little memory: sets and entries lie on the disk, and only texts that may be alike come back.

What is held for each text is its size and its bitmap. The entries are taken partition by partition of their
hashes: two texts that are similar share one, and meet where that one is.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from curation.compiled import over, threads_of
from curation.errors import UserError
from curation.near.counts import counted
from curation.near.filters import BITMAP, grouped, mark, profiles_of
from curation.near.prefixes import LONG, PARTS, Entries, classes, prefixes
from curation.near.residue import without_in
from curation.near.shared import Shared, find_shared, nothing_shared
from curation.near.shingling import Sets, shingle_sets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from curation.near.texts import Texts

B = TypeVar("B")

ENTRY = np.dtype([("key", np.uint64), ("text", np.int32), ("place", np.int32)])
COPIES = 4
"""An entry while its partition is put in order takes so many times its size."""


class Stored(NamedTuple):
    """Arrays one behind the other in a file, and where each begins, in elements (arrays + 1,)."""

    path: Path
    edges: NDArray[np.int64]

    def read(self, number: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """One of the arrays."""
        low, high = self.edges[number], self.edges[number + 1]
        return np.fromfile(self.path, dtype, high - low, offset=int(low) * dtype.itemsize)


class SetsOnDisk(Sequence[Sets]):
    """Shingle sets, block by block; where the sets begin is held in memory."""

    def __init__(self, path: Path, blocks: Iterator[Sets]) -> None:
        self._starts: list[NDArray[np.int64]] = []
        with path.open("wb") as stream:
            for block in blocks:
                self._starts.append(block.starts)
                stream.write(block.hashes.data)
        self._stored = Stored(path, np.cumsum([0, *(int(starts[-1]) for starts in self._starts)]))

    def __len__(self) -> int:
        return len(self._starts)

    def longer_than(self, limit: int) -> int:
        """How many sets have more shingles."""
        return sum(int((np.diff(starts) > limit).sum()) for starts in self._starts)

    def __getitem__(self, block: int) -> Sets:  # type: ignore[override]  # never a slice
        if block >= len(self):
            raise IndexError(block)
        return Sets(self._stored.read(block, np.dtype(np.uint64)), self._starts[block])


def perhaps_alike(
    blocks: int,
    read: Callable[[int], Texts],
    threshold: float,
    memory: int,
    *,
    shared: bool,
    threads: int | None = None,
) -> tuple[Shared, NDArray[np.bool_], int]:
    """Shared text, which texts may be similar to another one, and how many are looked for by MinHash.

    Those that may be similar are all that are, and few others (texts,).

    Args:
        blocks: How many blocks of texts there are.
        read: The texts of a block.
        threshold: Smallest similarity that must be found.
        memory: Bytes that this may take beside the texts.
        shared: Whether shared text is taken out.
        threads: At most so many; all there are unless given.

    Raises:
        UserError: So much memory is not enough.
        OSError: The disk is full.
    """
    with tempfile.TemporaryDirectory(prefix="regrind-") as name:
        folder = Path(name)
        cut = _in_turn(lambda block: shingle_sets(read(block)), blocks, threads)
        sets = SetsOnDisk(folder / "sets", cut)
        counts = counted(sets, threads)
        found = find_shared(sets, counts, read, threads=threads) if shared else nothing_shared()
        if len(found.hashes):
            left = _in_turn(lambda block: without_in(sets[block], found, read(block)), blocks, threads)
            sets = SetsOnDisk(folder / "left", left)
        order = classes(counts)
        first = np.cumsum([0, *(len(part.starts) - 1 for part in sets)])
        entries = _in_turn(
            lambda block: prefixes(sets[block], first[block], order, threshold), blocks, threads
        )
        stored = _store(entries, folder / "entries")
        return found, _alike(sets, stored, threshold, memory, threads), sets.longer_than(LONG)


def _in_turn(work: Callable[[int], B], blocks: int, threads: int | None) -> Iterator[B]:
    """Results of blocks, a few at a time: a pool would make all of them before the first is taken."""
    step = 2 * threads_of(threads)
    for start in range(0, blocks, step):
        yield from over(work, range(start, min(start + step, blocks)), threads)


def _store(entries: Iterator[Entries], path: Path) -> Stored:
    """Entries as records, part by part in each block."""
    sizes = []
    with path.open("wb") as stream:
        for block in entries:
            records = np.empty(len(block.keys), ENTRY)
            records["key"], records["text"], records["place"] = block.keys, block.texts, block.places
            stream.write(records.data)
            sizes.append(np.diff(block.parts))
    return Stored(path, np.concatenate(([0], np.cumsum(np.concatenate(sizes)))))


def _alike(
    sets: SetsOnDisk, entries: Stored, threshold: float, memory: int, threads: int | None
) -> NDArray[np.bool_]:
    part_sizes = np.diff(entries.edges).reshape(-1, PARTS).sum(axis=0)
    texts = sum(len(part.starts) - 1 for part in sets)
    room = memory - texts * (BITMAP * 8 + 5)
    together = room // max(1, int(part_sizes.max()) * ENTRY.itemsize * COPIES)
    if together < 1:
        needed = memory - room + int(part_sizes.max()) * ENTRY.itemsize * COPIES
        problem = f"{memory:,} bytes are not enough to compare {texts} rows"
        fix = f"give at least {-(-needed // 10**6)}MB, or compare without --memory"
        raise UserError(problem, where="--memory", fix=fix)
    profiles, found = profiles_of(sets, 1), np.zeros(texts, np.bool_)

    def work(part: int) -> None:
        records = np.concatenate([entries.read(b * PARTS + part, ENTRY) for b in range(len(sets))])
        mark(grouped(*(records[name] for name in ENTRY.names or ())), profiles, threshold, found)

    for _ in over(work, range(PARTS), min(threads_of(threads), together)):
        pass
    return found
