"""TF-IDF vectors of texts and their inverted index; terms are numbered from the rarest to the most common."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.selection.words import cut

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray


class Vectors(NamedTuple):
    """Sparse vectors of length 1, or 0 where a text has no word that tells it from the others.

    Attributes:
        starts: Where each vector begins in the other two, and where the last one ends (texts + 1,).
        terms: Term numbers, ascending within a vector (entries,), int32: the rarest term comes first.
        weights: Their weights (entries,), float32.
        frequency: In how many texts each term is (terms,), ascending.
    """

    starts: NDArray[np.int64]
    terms: NDArray[np.int32]
    weights: NDArray[np.float32]
    frequency: NDArray[np.int32]

    @property
    def total(self) -> int:
        """Number of texts."""
        return len(self.starts) - 1


class Postings(NamedTuple):
    """The same entries by term.

    Attributes:
        starts: Where each term begins in the other two (terms + 1,).
        texts: Text numbers, ascending within a term (entries,), int32.
        weights: Weights (entries,), float32.
    """

    starts: NDArray[np.int64]
    texts: NDArray[np.int32]
    weights: NDArray[np.float32]


def vectorise(texts: pl.Series) -> Vectors:
    """TF-IDF vectors: (1 + ln tf) * ln(n / df), brought to length 1.

    A word that every text has weighs nothing and is left out, so a template that all share does not count.

    Args:
        texts: Strings (texts,), none of them null.
    """
    starts, numbers, distinct = cut(texts)
    frequency = _frequency(starts, numbers, distinct)
    order = np.argsort(frequency, kind="stable")
    rank = np.empty(distinct, np.int32)
    rank[order] = np.arange(distinct, dtype=np.int32)
    common = int(np.searchsorted(frequency[order], len(texts)))
    return Vectors(*_weigh(starts, numbers, rank, frequency, common), frequency[order][:common])


def invert(vectors: Vectors) -> Postings:
    """The inverted index of some vectors."""
    return Postings(*transpose(vectors.starts, vectors.terms, vectors.weights, len(vectors.frequency)))


@compiled
def _frequency(starts: NDArray[np.int64], numbers: NDArray[np.int32], distinct: int) -> NDArray[np.int32]:
    frequency, last = np.zeros(distinct, np.int32), np.full(distinct, -1, np.int32)
    for text in range(len(starts) - 1):
        for number in numbers[starts[text] : starts[text + 1]]:
            if last[number] != text:
                last[number] = text
                frequency[number] += 1
    return frequency


@compiled
def _weigh(
    starts: NDArray[np.int64],
    numbers: NDArray[np.int32],
    rank: NDArray[np.int32],
    frequency: NDArray[np.int32],
    common: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    count = len(starts) - 1
    entries = np.int64(0)
    for number in range(len(frequency)):
        entries += frequency[number] if rank[number] < common else 0
    terms, weights = np.empty(entries, np.int32), np.empty(entries, np.float32)
    rarity = np.zeros(len(frequency))
    for number in range(len(frequency)):
        rarity[rank[number]] = np.log(count / frequency[number])
    ends, end = np.zeros(count + 1, np.int64), 0
    for text in range(count):
        ranks = rank[numbers[starts[text] : starts[text + 1]]]
        ranks.sort()
        begin, at, squares = end, 0, 0.0
        while at < len(ranks) and ranks[at] < common:
            first = at
            while at < len(ranks) and ranks[at] == ranks[first]:
                at += 1
            weight = (1 + np.log(at - first)) * rarity[ranks[first]]
            terms[end], weights[end] = ranks[first], weight
            squares += weight * weight
            end += 1
        for entry in range(begin, end):
            weights[entry] /= np.sqrt(squares)
        ends[text + 1] = end
    return ends, terms, weights


@compiled
def transpose(
    starts: NDArray[np.int64], columns: NDArray[np.int32], values: NDArray[np.float32], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]:
    """Rows of a sparse matrix from its columns: where each begins, row numbers ascending, values.

    Args:
        starts: Where each row begins in the other two (rows + 1,).
        columns: Column numbers (entries,).
        values: Values (entries,).
        count: Number of columns.
    """
    ends = np.zeros(count + 1, np.int64)
    for column in columns:
        ends[column + 1] += 1
    ends = np.cumsum(ends)
    rows, moved, at = np.empty(len(columns), np.int32), np.empty(len(columns), np.float32), ends.copy()
    for row in range(len(starts) - 1):
        for entry in range(starts[row], starts[row + 1]):
            place = at[columns[entry]]
            rows[place], moved[place] = row, values[entry]
            at[columns[entry]] += 1
    return ends, rows, moved
