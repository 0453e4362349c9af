"""Shared text (templates, policies): which shingles do not count, because they tell no rows apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.bits import U1
from curation.near.counts import BUCKETS
from curation.near.lookup import Lookup, lookup_of, place
from curation.near.shingling import Scratch, Sets, combine, scratch_for
from curation.near.tokens import kinds_of, tokenise
from curation.text import TEMPLATE_ROWS, TEMPLATE_SHARE, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curation.near.counts import Counts
    from curation.near.texts import Texts


class Shared(NamedTuple):
    """Shingles that do not count.

    Attributes:
        hashes: The shingles in ascending order.
        rows: In how many texts each is.
        examples: A text that has it.
    """

    hashes: NDArray[np.uint64]
    rows: NDArray[np.int64]
    examples: NDArray[np.int64]


def nothing_shared() -> Shared:
    """All text counts."""
    return Shared(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))


def find_shared(
    sets: Sequence[Sets],
    counts: Counts,
    read: Callable[[int], Texts],
    *,
    items: int = 0,
    threads: int | None = None,
) -> Shared:
    """The shingles of more than 5% of the texts (at least 20) that leave half of those 3 words without them.

    Args:
        sets: The shingle sets, block by block.
        counts: See `curation.near.counts.counted`.
        read: The texts of a block.
        items: So many of the last texts are held-out items; of those that have a shingle half must keep
            3 words, too: an item is not a template, however many rows copy it.
        threads: At most so many; all there are unless given.
    """
    least = least_rows(texts_in(sets))
    hashes, rows = frequent(sets, counts, least)
    if not len(hashes):
        return nothing_shared()
    told = told_without(sets, hashes, read, items=items, threads=threads)
    keep = tells(told.everyone) & ((told.held[0] == 0) | tells(told.held))
    return Shared(hashes[keep], rows[keep], told.examples[keep])


def least_rows(texts: int) -> int:
    """In how many texts of so many a shingle is frequent."""
    return max(TEMPLATE_ROWS, int(TEMPLATE_SHARE * texts + 1e-9) + 1)


def texts_in(sets: Sequence[Sets]) -> int:
    """How many texts there are in all blocks."""
    return sum(len(part.starts) - 1 for part in sets)


def tells(counted: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether half of the texts keep 3 words, and one at all does, from (2, shingles) counts (shingles,).

    Nobody is counted for the hash of a whole text that is too short for a shingle: it is no shared text.
    """
    half: NDArray[np.bool_] = (counted[1] > 0) & (2 * counted[1] >= counted[0])
    return half


def frequent(
    sets: Sequence[Sets], counts: Counts, least: int
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """The shingles that at least so many texts have, in ascending order, and how many have each."""
    heavy = counts.frequent >= least
    found = [np.unique(_heavy(part.hashes, heavy), return_counts=True) for part in sets if heavy.any()]
    if not found:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    hashes, numbers = np.unique(np.concatenate([f[0] for f in found]), return_inverse=True)
    rows = np.bincount(numbers, np.concatenate([f[1] for f in found]), len(hashes)).astype(np.int64)
    return hashes[rows >= least], rows[rows >= least]


class Telling(NamedTuple):
    """What becomes of texts without frequent shingles.

    Attributes:
        everyone: Texts that have each shingle, and those of them that keep 3 words without any (2, shingles).
        held: The same of held-out items (2, shingles).
        examples: A text that has it, or -1 (shingles,).
    """

    everyone: NDArray[np.int64]
    held: NDArray[np.int64]
    examples: NDArray[np.int64]


def told_without(
    sets: Sequence[Sets],
    hashes: NDArray[np.uint64],
    read: Callable[[int], Texts],
    *,
    items: int = 0,
    threads: int | None = None,
) -> Telling:
    """What becomes of the texts without these frequent shingles; the arguments are those of `find_shared`."""
    lookup = lookup_of(hashes)
    first = np.cumsum([0, *(len(part.starts) - 1 for part in sets)])

    def work(block: int) -> Telling:
        found, concerned = telling_of_none(len(hashes)), _having(sets[block], lookup)
        if concerned.any():
            cut = read(block)
            first_item = first[-1] - items - first[block]
            _telling(cut, kinds_of(cut), scratch_for(cut), lookup, concerned, first_item, found)
        found.examples[found.examples >= 0] += first[block]
        return found

    blocks = list(over(work, range(len(sets)), threads))
    everyone, held = (np.sum([b[side] for b in blocks], axis=0) for side in (0, 1))
    return Telling(everyone, held, np.max([b.examples for b in blocks], axis=0))


def telling_of_none(shingles: int) -> Telling:
    """Before the first text."""
    everyone, held = np.zeros((2, 2, shingles), np.int64)
    return Telling(everyone, held, np.full(shingles, -1, np.int64))


@compiled
def _heavy(hashes: NDArray[np.uint64], heavy: NDArray[np.bool_]) -> NDArray[np.uint64]:
    found = np.empty(len(hashes), np.uint64)
    count = 0
    for h in hashes:
        if heavy[h & (BUCKETS - U1)]:
            found[count] = h
            count += 1
    return found[:count]


@compiled
def _having(sets: Sets, lookup: Lookup) -> NDArray[np.bool_]:
    """Which texts have a shingle of the table (texts,)."""
    found = np.zeros(len(sets.starts) - 1, np.bool_)
    for text in range(len(found)):
        for h in sets.hashes[sets.starts[text] : sets.starts[text + 1]]:
            if lookup.numbers[place(lookup, h)] >= 0:
                found[text] = True
                break
    return found


@compiled
def _telling(
    texts: Texts,
    kinds: NDArray[np.uint8],
    scratch: Scratch,
    lookup: Lookup,
    concerned: NDArray[np.bool_],
    first_item: int,
    found: Telling,
) -> None:
    """Count for each frequent shingle the texts that have it, and those of them that keep 3 words."""
    for text in range(len(concerned)):
        if not concerned[text]:
            continue
        size, count = tokenise(texts, text, kinds, scratch.tokens)
        grams = max(0, count - size + 1)
        combine(scratch.tokens, size, grams, scratch.shingles)
        telling = count - covered(lookup, scratch.shingles, grams, size) >= WORDS
        for i in range(grams):
            number = lookup.numbers[place(lookup, scratch.shingles[i])]
            if number >= 0 and found.examples[number] != text:
                found.examples[number] = text
                found.everyone[0, number] += 1
                found.everyone[1, number] += telling
                if text >= first_item:
                    found.held[0, number] += 1
                    found.held[1, number] += telling


@compiled
def covered(lookup: Lookup, shingles: NDArray[np.uint64], grams: int, size: int) -> int:
    """How many tokens of a text are in a shingle that is in the table."""
    total = end = 0
    for i in range(grams):
        if lookup.numbers[place(lookup, shingles[i])] >= 0:
            total += i + size - max(i, end)
            end = i + size
    return total
