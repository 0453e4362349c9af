"""Families of similar texts, some of which stand on a side already: no text may join two sides.

Old texts have a family and a side, and keep both. A new text joins the families of all that it is like; one
that is like texts of two sides is left out, and joins nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled
from curation.near.clusters import joined, root, signatures
from curation.near.join import Asked, add, ask, more, ready, similarity
from curation.near.pairs import doubled
from curation.near.pipeline import index_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.near.index import Index
    from curation.near.pipeline import Corpus

NEITHER = -1
"""The side of a text that has none."""


class Known(NamedTuple):
    """What is known of the texts before they are compared.

    Attributes:
        family: The first text of each old text's family; itself where it is new (texts,).
        side: The side of each text, or `NEITHER`; the old ones, which stand first, have one (texts,), int8.
        left: Pairs of texts that belong together however unlike they are (edges,).
        right: The other ends (edges,).
    """

    family: NDArray[np.int64]
    side: NDArray[np.int8]
    left: NDArray[np.int64]
    right: NDArray[np.int64]


class Families(NamedTuple):
    """Families of texts.

    Attributes:
        first: The first text of each one's family (texts,).
        side: The side of each one's family, or `NEITHER` (texts,), int8.
        one: For a text that is left out, one that it is like; else -1 (texts,).
        other: For a text that is left out, one of another side that it is like, too; else -1 (texts,).
    """

    first: NDArray[np.int64]
    side: NDArray[np.int8]
    one: NDArray[np.int64]
    other: NDArray[np.int64]


def families(corpus: Corpus, threshold: float, known: Known) -> Families:
    """Put texts into families that chain by similarity or by an edge, and never over two sides.

    Args:
        corpus: The texts; what they share as a template does not count. It is used up on the way.
        threshold: Smallest Jaccard similarity.
        known: Families, sides and edges that there are already.
    """
    texts = len(known.family)
    index = index_of(corpus, threshold)
    member = np.full(texts, -1, np.int64)
    member[index.numbers] = np.arange(len(index.numbers))
    parents, side = known.family.copy(), known.side.copy()
    apart = np.full((2, texts), -1, np.int64)
    starts, links = _neighbours(texts, known)
    _families(index, ready(index), member, _copies(index), starts, links, (parents, side, apart), threshold)
    none = np.empty(0, np.int64)
    first = joined(parents, none, none)
    return Families(first, side[first], apart[0], apart[1])


def _copies(index: Index) -> NDArray[np.int64]:
    """For each member the first one that seems to have the same set (members,)."""
    _, first, inverse = np.unique(signatures(index), return_index=True, return_inverse=True)
    return first[inverse]


def _neighbours(texts: int, known: Known) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The texts at the other ends of each one's edges, and where they begin (texts + 1,)."""
    one, other = np.concatenate((known.left, known.right)), np.concatenate((known.right, known.left))
    counts = np.bincount(one, minlength=texts)
    return np.concatenate(([0], np.cumsum(counts))), other[np.argsort(one, kind="stable")]


@compiled
def _families(
    index: Index,
    asked: Asked,
    member: NDArray[np.int64],
    copies: NDArray[np.int64],
    starts: NDArray[np.int64],
    links: NDArray[np.int64],
    state: tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.int64]],
    threshold: float,
) -> None:
    parents, side, apart = state
    near, met = np.empty(64, np.int64), np.full(len(parents), -1)
    for text in range(len(parents)):
        own = member[text]
        if side[text] != NEITHER:
            if own >= 0:
                add(index, asked, own)
            continue
        near, count = _linked(text, links[starts[text] : starts[text + 1]], near, side, apart)
        copy = own >= 0 and _is_copy(index, own, copies[own], apart)
        if copy:
            near, count = _with(near, count, index.numbers[copies[own]])
        elif own >= 0:
            ask(index, asked, own)
            while more(index, asked, own, threshold):
                for other in asked.found[: asked.cursor[2]]:
                    there = root(parents, index.numbers[other])
                    if met[there] != text and similarity(index, own, other, threshold) > 0.0:
                        met[there] = text
                        near, count = _with(near, count, index.numbers[other])
        near[:count].sort()  # so that those who are named do not depend on the order of the search
        if _join(text, near[:count], parents, side, apart) and own >= 0 and not copy:
            add(index, asked, own)


@compiled
def _linked(
    text: int,
    links: NDArray[np.int64],
    near: NDArray[np.int64],
    side: NDArray[np.int8],
    apart: NDArray[np.int64],
) -> tuple[NDArray[np.int64], int]:
    """The texts at the other ends of a text's edges that have a family by now."""
    count = 0
    for other in links:
        if (other < text or side[other] != NEITHER) and apart[0, other] < 0:
            near, count = _with(near, count, other)
    return near, count


@compiled
def _is_copy(index: Index, own: int, first: int, apart: NDArray[np.int64]) -> bool:
    """Whether an earlier member, which is not left out, has the same set."""
    if first == own or apart[0, index.numbers[first]] >= 0:
        return False
    return similarity(index, own, first, 1.0) == 1.0


@compiled
def _with(near: NDArray[np.int64], count: int, text: int) -> tuple[NDArray[np.int64], int]:
    if count == len(near):
        near = doubled(near)
    near[count] = text
    return near, count + 1


@compiled
def _join(
    text: int,
    near: NDArray[np.int64],
    parents: NDArray[np.int64],
    side: NDArray[np.int8],
    apart: NDArray[np.int64],
) -> bool:
    """Join a new text to the families of these; leave it out, and say so, where they have two sides."""
    here = NEITHER
    one = -1
    for other in near:
        there = side[root(parents, other)]
        if there == NEITHER:
            continue
        if here == NEITHER:
            here, one = there, other
        elif here != there:
            apart[0, text], apart[1, text] = one, other
            return False
    for other in near:
        a, b = root(parents, text), root(parents, other)
        parents[max(a, b)] = min(a, b)
    if here != NEITHER:
        side[root(parents, text)] = here
    return True
