"""Pairs of similar texts: every one at or above the threshold, verified, by an exact set-similarity join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.near.pairs import all_pairs, nearest
from curation.near.pipeline import cut, index_of, of_list
from curation.near.removal import Compared, Rules, remove
from curation.near.residue import numbers_in, own_words
from curation.near.texts import BLOCK
from curation.text import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl
    from numpy.typing import NDArray


class Pairs(NamedTuple):
    """Pairs of text numbers with `left < right`, and their Jaccard similarity, all of one length."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    similarity: NDArray[np.float64]


def similar_pairs(
    texts: Sequence[str], threshold: float, *, items: int = 0, threads: int | None = None
) -> Pairs:
    """All pairs of texts whose shingle sets have a Jaccard similarity of at least `threshold`.

    Args:
        texts: The texts, any number; their shared templates do not count (see `curation.near.shared`).
        threshold: Smallest Jaccard similarity, above 0 and up to 1.
        items: So many of the last texts are held-out items (see `curation.near.shared.find_shared`).
        threads: At most so many; all there are unless given.

    Returns:
        The pairs in ascending order. Texts that are too short for a shingle pair with equal ones, at 1.
    """
    index = index_of(cut(*of_list(texts), items=items, threads=threads), threshold, threads)
    left, right, similarity = all_pairs(index, threshold)
    left, right = index.numbers[left], index.numbers[right]
    order = np.lexsort((right, left))
    return Pairs(left[order], right[order], similarity[order])


def nearest_items(
    texts: Sequence[str], items: Sequence[str], threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each text the item that is most like it.

    Args:
        texts: The texts, any number.
        items: The items; none of them is taken for a template, however many texts copy it.
        threshold: Smallest Jaccard similarity.

    Returns:
        The item's number (-1 where none is similar enough), and the similarity, of each text.
    """
    index = index_of(cut(*of_list([*texts, *items]), items=len(items)), threshold)
    member, similarity = nearest(index, index.numbers >= len(texts), threshold)
    asked = index.numbers < len(texts)
    best, similar = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
    found = np.where(member >= 0, index.numbers[member] - len(texts), -1)
    best[index.numbers[asked]], similar[index.numbers[asked]] = found[asked], similarity[asked]
    return best, similar


def own_or_shared(texts: Sequence[str], *, items: int = 0) -> list[list[tuple[str, bool]]]:
    """The words of each text, each with whether it is the text's own and in no shared text.

    Args:
        texts: The texts, any number.
        items: So many of the last texts are held-out items, which make no shared text; where there are any,
            only theirs are given.
    """
    blocks, read = of_list(texts)
    first = len(texts) - items if items else 0
    corpus = cut(blocks, read, items=items)
    flags = [
        own_words(n).tolist()
        for block in range(first // BLOCK, blocks)
        for n in numbers_in(read(block), corpus.shared)
    ]
    asked = zip(texts[first // BLOCK * BLOCK :], flags, strict=True)
    return [list(zip(words(t), f, strict=True)) for t, f in asked][first % BLOCK if items else 0 :]


def keep_first(
    texts: Sequence[str] | pl.Series, threshold: float, threads: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Keep each text unless an earlier kept one is similar: near-duplicates of plain texts, without rows.

    Args:
        texts: The texts, any number; all of their text counts.
        threshold: Smallest Jaccard similarity of a duplicate.
        threads: At most so many; all there are unless given.

    Returns:
        For each text the kept one that it is most like (-1 where it is kept itself), and how similar.
    """
    index = index_of(cut(*of_list(texts), shared=False, threads=threads), threshold, threads)
    everyone = np.arange(len(index.numbers))
    rules = Rules(threshold, drop_conflicting=False, mark=False, one_text=True)
    found = remove(Compared(index, index, everyone, everyone), everyone, rules)
    partner, similarity = np.full(len(texts), -1, np.int64), np.zeros(len(texts))
    partner[index.numbers] = np.where(found.partner >= 0, index.numbers[found.partner], -1)
    similarity[index.numbers] = found.prompt
    return partner, similarity
