"""Similarity of a text to the nearest of the picks so far: exact, with as little work as a bound allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.vectors import Vectors

LEVELS = 32
ROUNDING = 1e-6
"""More than the rounding of any sum of weights or squares, so that a bound never hides a nearer pick."""


class Picked(NamedTuple):
    """The vectors of the picks by term, the oldest pick first; a list that is full moves to twice the room.

    Attributes:
        lists: Where the list of each term begins, how many entries it has, and for how many there is room
            (terms, 3).
        pick: Number of the pick, in the order they were picked (room,).
        weight: Weight of the term in that pick (room,).
        texts: Text of each pick (picks,).
        tails: Length of each pick's vector without the terms that fewer than 2, 4, 8, … texts have
            (picks, levels).
        common: For `nearest`: similarity summed up so far, all 0 between calls (picks,).
        met: For `nearest`: which picks it met (picks,).
        size: Number of picks, and how much room is taken (2,).
    """

    lists: NDArray[np.int64]
    pick: NDArray[np.int32]
    weight: NDArray[np.float32]
    texts: NDArray[np.int32]
    tails: NDArray[np.float32]
    common: NDArray[np.float64]
    met: NDArray[np.int32]
    size: NDArray[np.int64]


def empty(vectors: Vectors, picks: int) -> Picked:
    """Room for so many picks of these vectors, each picked once."""
    lengths = np.sort(np.diff(vectors.starts))[::-1]
    room = 4 * int(lengths[:picks].sum())  # a list and all the places it has moved from
    lists = np.zeros((len(vectors.frequency), 3), np.int64)
    tails = np.zeros((picks, LEVELS), np.float32)
    of_picks = np.empty(picks, np.int32), tails, np.zeros(picks), np.empty(picks + 1, np.int32)
    return Picked(
        lists, np.empty(room, np.int32), np.empty(room, np.float32), *of_picks, np.zeros(2, np.int64)
    )


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
    squares = np.zeros(LEVELS)
    for at in range(vectors.starts[text], vectors.starts[text + 1]):
        of_term = picked.lists[vectors.terms[at]]
        if of_term[1] == of_term[2]:
            _move(picked, of_term)
        place = of_term[0] + of_term[1]
        picked.pick[place], picked.weight[place] = picked.size[0], vectors.weights[at]
        of_term[1] += 1
        for level in range(_level(vectors, vectors.terms[at]) + 1):
            squares[level] += np.float64(vectors.weights[at]) ** 2
    for level in range(LEVELS):
        picked.tails[picked.size[0], level] = np.sqrt(squares[level])
    picked.texts[picked.size[0]] = text
    picked.size[0] += 1


@compiled
def _level(vectors: Vectors, term: int) -> int:
    """How often the number of texts with a term can be halved."""
    level, frequency = 0, vectors.frequency[term]
    while frequency > 1:
        level, frequency = level + 1, frequency >> 1
    return level


@compiled
def _move(picked: Picked, of_term: NDArray[np.int64]) -> None:
    """Give the list of a term twice the room."""
    old, new = of_term[0], picked.size[1]
    for i in range(of_term[1]):
        picked.pick[new + i], picked.weight[new + i] = picked.pick[old + i], picked.weight[old + i]
    of_term[0], of_term[2] = new, max(1, 2 * of_term[1])
    picked.size[1] += of_term[2]


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
        of_term = picked.lists[vectors.terms[at]]
        entry = of_term[0] + of_term[1] - 1
        while entry >= of_term[0] and picked.pick[entry] >= since and best < enough:
            number = picked.pick[entry]
            picked.met[met] = number  # without a branch, which the processor could not foresee
            met += picked.common[number] == 0
            picked.common[number] += weight * picked.weight[entry]
            best = max(best, picked.common[number])
            entry -= 1
        left -= weight * weight
        at += 1
    whole = best < enough
    if whole:
        best = _complete(vectors, picked, met, text, at, np.sqrt(max(left, 0.0) + ROUNDING), known)
    picked.common[picked.met[:met]] = 0
    return best, whole


@compiled
def _complete(
    vectors: Vectors, picked: Picked, met: int, text: int, at: int, reach: float, known: float
) -> float:
    """The similarity to the nearest of those met, when the vector from entry `at` on is `reach` long.

    What those terms can add is that times the length of the pick's vector over terms at least as common.
    """
    best = known
    if not met:
        return best
    level = _level(vectors, vectors.terms[at]) if at < vectors.starts[text + 1] else LEVELS - 1
    first = picked.met[np.argmax(picked.common[picked.met[:met]])]
    best = max(best, _rest(vectors, text, at, picked.texts[first], picked.common[first]))
    for number in picked.met[:met]:
        if picked.common[number] + reach * picked.tails[number, level] + ROUNDING > best:
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
