"""From texts to an index, block by block on all threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import over
from curation.near.counts import Counts, counted
from curation.near.index import Index, build
from curation.near.prefixes import Entries, classes, prefixes
from curation.near.residue import without
from curation.near.shared import Shared, find_shared, nothing_shared
from curation.near.shingling import Sets, marked, shingle_sets
from curation.near.texts import BLOCK, On, Texts, of_messages, of_strings, taken

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from numpy.typing import NDArray


class Corpus(NamedTuple):
    """Texts that are cut.

    Attributes:
        sets: Their shingle sets, block by block, without shared text.
        counts: See `curation.near.shared.counted`.
        shared: What was taken out.
        read: The texts of a block.
    """

    sets: list[Sets]
    counts: Counts
    shared: Shared
    read: Callable[[int], Texts]


def of_rows(
    messages: pl.Series, on: On, chosen: NDArray[np.int64] | None = None
) -> tuple[int, Callable[[int], Texts]]:
    """The blocks of conversations, or of some of them by ascending number, and how to read one."""
    numbers = np.arange(len(messages)) if chosen is None else chosen

    def read(block: int) -> Texts:
        return of_messages(taken(messages, numbers[block * BLOCK : (block + 1) * BLOCK]), on)

    return max(1, -(-len(numbers) // BLOCK)), read


def of_list(texts: Sequence[str] | pl.Series) -> tuple[int, Callable[[int], Texts]]:
    """The blocks of plain texts, and how to read one."""
    return max(1, -(-len(texts) // BLOCK)), lambda block: of_strings(
        texts[block * BLOCK : (block + 1) * BLOCK]
    )


def cut(
    blocks: int,
    read: Callable[[int], Texts],
    *,
    items: int = 0,
    shared: Shared | bool = True,
    marks: NDArray[np.uint64] | None = None,
    threads: int | None = None,
) -> Corpus:
    """Cut texts into shingle sets without shared text.

    Args:
        blocks: How many blocks there are.
        read: The texts of a block.
        items: See `find_shared`.
        shared: Whether shared text is taken out, or what is taken out where that is known already.
        marks: A number for each text: texts with other ones have no shingle in common (texts,).
        threads: At most so many; all there are unless given.
    """

    def work(block: int) -> Sets:
        found = shingle_sets(read(block))
        return found if marks is None else marked(found, marks[block * BLOCK : (block + 1) * BLOCK])

    sets = list(over(work, range(blocks), threads))
    counts = counted(sets, threads)
    if shared is True:
        found = find_shared(sets, counts, read, items=items, threads=threads)
    else:
        found = shared or nothing_shared()
    return Corpus(without(sets, found, read, threads), counts, found, read)


def index_of(corpus: Corpus, threshold: float, threads: int | None = None) -> Index:
    """The texts that may be similar to another one; the corpus is used up on the way, to spare memory."""
    order = classes(corpus.counts)
    first = np.cumsum([0, *(len(part.starts) - 1 for part in corpus.sets)])

    def work(block: int) -> Entries:
        part = corpus.sets[block]
        return prefixes(part, first[block], order, threshold)

    return build(list(over(work, range(len(corpus.sets)), threads)), corpus.sets, threshold, threads)
