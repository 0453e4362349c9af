"""Shared text (templates, policies): which shingles do not count, because they tell no rows apart."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.bits import U0, U1, U8
from curation.near.shingling import Scratch, Sets, combine, kinds_of, scratch_for, tokenise, whole
from curation.text import TEMPLATE_ROWS, TEMPLATE_SHARE, WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curation.near.texts import Texts

BUCKETS = np.uint64(1 << 16)
LEAST_RARE, MOST_RARE = 16, 24


class Lookup(NamedTuple):
    """A hash table from shingles to their numbers; an empty place is 0 (places,)."""

    keys: NDArray[np.uint64]
    numbers: NDArray[np.int64]


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


class Counts(NamedTuple):
    """How many texts have a shingle of each bucket: at least as many as have any one of them.

    Attributes:
        frequent: For the search of templates (BUCKETS,), uint32.
        rare: For the order of shingles, up to 255 (a power of two,), uint8.
    """

    frequent: NDArray[np.uint32]
    rare: NDArray[np.uint8]


def counted(sets: Sequence[Sets], threads: int | None) -> Counts:
    """Count the shingles of all texts; each thread has tables of its own, because they would lose counts."""
    own = threading.local()
    tables: list[Counts] = []
    shingles = sum(len(part.hashes) for part in sets)
    rare = 1 << min(MOST_RARE, max(LEAST_RARE, shingles.bit_length()))

    def work(part: Sets) -> None:
        if not hasattr(own, "counts"):
            own.counts = Counts(np.zeros(int(BUCKETS), np.uint32), np.zeros(rare, np.uint8))
            tables.append(own.counts)
        _count(part.hashes, own.counts.frequent, own.counts.rare)

    for _ in over(work, sets, threads):
        pass
    for other in tables[1:]:
        _merge(tables[0], other)
    return tables[0]


@compiled
def _count(hashes: NDArray[np.uint64], frequent: NDArray[np.uint32], rare: NDArray[np.uint8]) -> None:
    last = np.uint64(len(rare) - 1)
    for h in hashes:
        frequent[h & (BUCKETS - U1)] += np.uint32(1)
        slot = h & last
        rare[slot] += rare[slot] < 255


@compiled
def _merge(total: Counts, other: Counts) -> None:
    for i in range(len(total.frequent)):
        total.frequent[i] += other.frequent[i]
    for i in range(len(total.rare)):
        total.rare[i] = min(255, int(total.rare[i]) + int(other.rare[i]))


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
        counts: See `counted`.
        read: The texts of a block.
        items: So many of the last texts are held-out items; of those that have a shingle half must keep
            3 words, too: an item is not a template, however many rows copy it.
        threads: At most so many; all there are unless given.
    """
    texts = sum(len(part.starts) - 1 for part in sets)
    least = max(TEMPLATE_ROWS, int(TEMPLATE_SHARE * texts + 1e-9) + 1)
    heavy = counts.frequent >= least
    if not heavy.any():
        return nothing_shared()
    found = [np.unique(_heavy(part.hashes, heavy), return_counts=True) for part in sets]
    hashes, numbers = np.unique(np.concatenate([f[0] for f in found]), return_inverse=True)
    rows = np.bincount(numbers, np.concatenate([f[1] for f in found]), len(hashes)).astype(np.int64)
    hashes, rows = hashes[rows >= least], rows[rows >= least]
    if not len(hashes):
        return nothing_shared()
    lookup = lookup_of(hashes)
    first = np.cumsum([0, *(len(part.starts) - 1 for part in sets)])

    def work(block: int) -> Telling:
        found, concerned = telling_of_none(len(hashes)), _having(sets[block], heavy, lookup)
        if concerned.any():
            cut = read(block)
            first_item = texts - items - first[block]
            _telling(cut, kinds_of(cut), scratch_for(cut), lookup, concerned, first_item, found)
        found.examples[found.examples >= 0] += first[block]
        return found

    blocks = list(over(work, range(len(sets)), threads))
    everyone = np.sum([b.everyone for b in blocks], axis=0)
    held = np.sum([b.held for b in blocks], axis=0)
    keep = (2 * everyone[1] >= everyone[0]) & (2 * held[1] >= held[0])
    examples = np.max([b.examples for b in blocks], axis=0)
    return Shared(hashes[keep], rows[keep], examples[keep])


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
def _having(sets: Sets, heavy: NDArray[np.bool_], lookup: Lookup) -> NDArray[np.bool_]:
    """Which texts have a shingle of the table (texts,)."""
    found = np.zeros(len(sets.starts) - 1, np.bool_)
    for text in range(len(found)):
        for h in sets.hashes[sets.starts[text] : sets.starts[text + 1]]:
            if heavy[h & (BUCKETS - U1)] and lookup.numbers[place(lookup, h)] >= 0:
                found[text] = True
                break
    return found


def lookup_of(hashes: NDArray[np.uint64]) -> Lookup:
    """A hash table for shingles that are not 0 and differ."""
    size = 1 << (2 * len(hashes) + 8).bit_length()
    lookup = Lookup(np.zeros(size, np.uint64), np.full(size, -1, np.int64))
    _fill(lookup, hashes)
    return lookup


@compiled
def _fill(lookup: Lookup, hashes: NDArray[np.uint64]) -> None:
    for number in range(len(hashes)):
        slot = place(lookup, hashes[number])
        lookup.keys[slot] = hashes[number]
        lookup.numbers[slot] = number


@compiled
def place(lookup: Lookup, h: np.uint64) -> np.uint64:
    """Where a shingle is in the table, or would be put."""
    last = np.uint64(len(lookup.keys) - 1)
    slot = (h >> U8) & last
    while lookup.keys[slot] != U0 and lookup.keys[slot] != h:
        slot = (slot + U1) & last
    return slot


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


def without(
    sets: Sequence[Sets], shared: Shared, read: Callable[[int], Texts], threads: int | None = None
) -> list[Sets]:
    """The sets without the shared shingles; a text of which nothing is left is compared as a whole."""
    lookup = lookup_of(shared.hashes)

    def work(block: int) -> Sets:
        texts = read(block)
        return Sets(*_without(sets[block], lookup, texts, kinds_of(texts)))

    return list(over(work, range(len(sets)), threads)) if len(shared.hashes) else list(sets)


@compiled
def _without(
    sets: Sets, lookup: Lookup, texts: Texts, kinds: NDArray[np.uint8]
) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    hashes = np.empty(len(sets.hashes), np.uint64)
    starts = np.zeros(len(sets.starts), np.int64)
    at = 0
    for text in range(len(starts) - 1):
        for i in range(sets.starts[text], sets.starts[text + 1]):
            if lookup.numbers[place(lookup, sets.hashes[i])] < 0:
                hashes[at] = sets.hashes[i]
                at += 1
        if at == starts[text]:
            hashes[at] = whole(texts, text, kinds)
            at += 1
        starts[text + 1] = at
    return hashes[:at].copy(), starts


def numbers_in(texts: Texts, shared: Shared) -> list[tuple[int, NDArray[np.int64]]]:
    """For each text the words of a shingle, and the shared shingle that begins at each word, or -1."""
    kinds, lookup = kinds_of(texts), lookup_of(shared.hashes)
    numbers, starts, sizes = _numbers_in(texts, kinds, scratch_for(texts), lookup)
    return [(size, numbers[a:b]) for size, a, b in zip(sizes.tolist(), starts[:-1], starts[1:], strict=True)]


@compiled
def _numbers_in(
    texts: Texts, kinds: NDArray[np.uint8], scratch: Scratch, lookup: Lookup
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    numbers = np.full(len(texts.data) + len(texts.other), -1, np.int64)
    starts = np.zeros(len(texts.first) + 1, np.int64)
    sizes = np.zeros(len(texts.first), np.int64)
    at = 0
    for text in range(len(texts.first)):
        size, count = tokenise(texts, text, kinds, scratch.tokens)
        grams = max(0, count - size + 1)
        combine(scratch.tokens, size, grams, scratch.shingles)
        for i in range(grams):
            numbers[at + i] = lookup.numbers[place(lookup, scratch.shingles[i])]
        at += count
        starts[text + 1], sizes[text] = at, size
    return numbers, starts, sizes


def own_words(number_of: tuple[int, NDArray[np.int64]]) -> NDArray[np.bool_]:
    """Which words of a text are in no shared shingle (words,), from one of `numbers_in`."""
    size, numbers = number_of
    own = np.ones(len(numbers), np.bool_)
    for i in np.flatnonzero(numbers >= 0):
        own[i : i + size] = False
    return own
