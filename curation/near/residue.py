"""What is left of texts without shared text: their shingle sets, and their own words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from curation.compiled import compiled, over
from curation.near.lookup import Lookup, lookup_of, place
from curation.near.shingling import Scratch, Sets, combine, scratch_for
from curation.near.tokens import kinds_of, tokenise, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from curation.near.shared import Shared
    from curation.near.texts import Texts


def without(
    sets: Sequence[Sets], shared: Shared, read: Callable[[int], Texts], threads: int | None = None
) -> list[Sets]:
    """The sets without the shared shingles; a text of which nothing is left is compared as a whole."""

    def work(block: int) -> Sets:
        return without_in(sets[block], shared, read(block))

    return list(over(work, range(len(sets)), threads)) if len(shared.hashes) else list(sets)


def without_in(sets: Sets, shared: Shared, texts: Texts) -> Sets:
    """As `without`, of one block."""
    return Sets(*_without(sets, lookup_of(shared.hashes), texts, kinds_of(texts)))


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
