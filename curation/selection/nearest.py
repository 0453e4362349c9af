"""Similarity of a text to the nearest of the picks so far: exact, with as little work as a bound allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.selection.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.vectors import Vectors

ROUNDING = 1e-6
"""More than the rounding of any sum of weights here, so that a bound never hides a nearer pick."""


class Picked(NamedTuple):
    """The vectors of the picks by term, each term a chain from the newest pick to the oldest.

    Attributes:
        head: Newest entry of each term, -1 where there is none (terms,).
        after: The next older entry (entries,).
        pick: Number of the pick, in the order they were picked (entries,).
        weight: Weight of the term in that pick (entries,).
        texts: Text of each pick (picks,).
        common: For `nearest`: similarity summed up so far, all 0 between calls (picks,).
        met: For `nearest`: which picks it met (picks,).
        size: Number of picks and number of entries (2,).
    """

    head: NDArray[np.int32]
    after: NDArray[np.int32]
    pick: NDArray[np.int32]
    weight: NDArray[np.float32]
    texts: NDArray[np.int32]
    common: NDArray[np.float64]
    met: NDArray[np.int32]
    size: NDArray[np.int64]


def empty(vectors: Vectors, picks: int) -> Picked:
    """Room for so many picks of these vectors, each picked once."""
    lengths = np.sort(np.diff(vectors.starts))[::-1]
    room = int(lengths[:picks].sum())
    entries = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.float32)
    head = np.full(len(vectors.frequency), -1, np.int32)
    of_picks = np.empty(picks, np.int32), np.zeros(picks), np.empty(picks, np.int32)
    return Picked(head, *entries, *of_picks, np.zeros(2, np.int64))


def coverage(vectors: Vectors, picks: NDArray[np.integer], texts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Similarity of some texts to the nearest pick (texts,), 0 to 1.

    Args:
        vectors: The vectors.
        picks: Text numbers of the picks.
        texts: Text numbers.
    """
    distinct = np.unique(picks)
    picked = empty(vectors, len(distinct))
    for text in distinct:
        add(vectors, picked, text)
    return _nearest_of(vectors, picked, texts)


@compiled
def add(vectors: Vectors, picked: Picked, text: int) -> None:
    """Make a text the newest pick."""
    number, entry = picked.size[0], picked.size[1]
    picked.texts[number] = text
    for at in range(vectors.starts[text], vectors.starts[text + 1]):
        term = vectors.terms[at]
        picked.pick[entry], picked.weight[entry] = number, vectors.weights[at]
        picked.after[entry], picked.head[term] = picked.head[term], entry
        entry += 1
    picked.size[0], picked.size[1] = number + 1, entry


@compiled
def nearest(
    vectors: Vectors, picked: Picked, text: int, since: int, known: float, enough: float
) -> tuple[float, bool]:
    """How near the nearest pick from number `since` on is, or `known` where that is nearer.

    Terms are gone through from the rarest. When what is left of the vector is shorter than the best
    similarity so far, no pick that shares only the rest can be nearer, and common words are never read.

    Returns:
        The similarity and True; or, as soon as one of at least `enough` is certain, that one and False.
    """
    end, at = vectors.starts[text + 1], vectors.starts[text]
    best, met, left = known, 0, 1.0
    while at < end and best < enough and left > best * best - ROUNDING:
        weight = np.float64(vectors.weights[at])
        entry = picked.head[vectors.terms[at]]
        while entry >= 0 and picked.pick[entry] >= since:
            number = picked.pick[entry]
            if picked.common[number] == 0:
                picked.met[met] = number
                met += 1
            picked.common[number] += weight * picked.weight[entry]
            best = max(best, picked.common[number])
            entry = picked.after[entry]
        left -= weight * weight
        at += 1
    whole = best < enough
    if whole:
        best = _complete(vectors, picked, met, text, at, np.sqrt(max(left, 0.0)) + ROUNDING, known)
    picked.common[picked.met[:met]] = 0
    return best, whole


@compiled
def _complete(
    vectors: Vectors, picked: Picked, met: int, text: int, at: int, reach: float, known: float
) -> float:
    """The similarity to the nearest of those met, when the terms from `at` on can add `reach` at most."""
    best = known
    if not met:
        return best
    first = picked.met[np.argmax(picked.common[picked.met[:met]])]
    best = max(best, _rest(vectors, text, at, picked.texts[first], picked.common[first]))
    for number in picked.met[:met]:
        if picked.common[number] + reach > best:
            best = max(best, _rest(vectors, text, at, picked.texts[number], picked.common[number]))
    return best


@compiled
def _rest(vectors: Vectors, text: int, at: int, other: int, total: float) -> float:
    """A similarity that was summed up to entry `at` of a text, with the terms from there on."""
    end, place, last = vectors.starts[text + 1], vectors.starts[other], vectors.starts[other + 1]
    if at < end:
        place += np.searchsorted(vectors.terms[place:last], vectors.terms[at])
    while at < end and place < last:
        if vectors.terms[at] == vectors.terms[place]:
            total += np.float64(vectors.weights[at]) * vectors.weights[place]
            at += 1
            place += 1
        elif vectors.terms[at] < vectors.terms[place]:
            at += 1
        else:
            place += 1
    return total


@compiled
def _nearest_of(vectors: Vectors, picked: Picked, texts: NDArray[np.integer]) -> NDArray[np.float64]:
    found = np.empty(len(texts))
    for i in range(len(texts)):
        found[i] = nearest(vectors, picked, texts[i], 0, 0.0, 2.0)[0]
    return found
