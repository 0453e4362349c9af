"""What text is compared by: normalised words and shingles, with shared templates taken out."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

WORDS = 3
CHARACTERS = 5
TEMPLATE_SHARE = 0.05
TEMPLATE_ROWS = 20

UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
)
"""Scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""

_WORD = re.compile(r"\w+")
_UNSPACED = re.compile("[" + "".join(f"{chr(a)}-{chr(b)}" for a, b in UNSPACED) + "]")


class Shingles(NamedTuple):
    """The shingle sets of some texts.

    Attributes:
        sets: Sparse matrix (texts, distinct shingles) of ones, int32; templates are taken out.
        comparable: Booleans (texts,): False where a text is compared by equality instead.
        keys: The normalised words of each text joined by spaces: what equality means.
        residual: What is left of each text without its template words, for term weighting.
        templates: Number of distinct shingles that were taken out as shared text.
    """

    sets: sparse.csr_matrix
    comparable: NDArray[np.bool_]
    keys: list[str]
    residual: list[str]
    templates: int


def words(text: str) -> list[str]:
    """Words of NFKC-normalised lower-case text; single characters where a script has no spaces.

    Text without any word (emoji, operators) is cut at white space, so that it is not all alike.
    """
    normal = _normal(text)
    found = _WORD.findall(normal) or normal.split()
    return list("".join(found)) if _is_unspaced(normal) else found


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _is_unspaced(text: str) -> bool:
    return 2 * len(_UNSPACED.findall(text)) > len(text.replace(" ", ""))


def shingle(texts: Sequence[str], *, items: int = 0) -> Shingles:
    """Cut texts into shingles: word 3-grams, or character 5-grams in scripts without spaces.

    Shared text does not count: a shingle that more than 5% of the texts have, and at least 20 of
    them, is taken out where at least half of those texts keep 3 or more words without such shingles.

    Args:
        texts: The texts, any number.
        items: So many of the last texts are held-out items. Shared text must leave half of those
            that have it 3 words too: an item is not a template, however many rows copy it.

    Returns:
        Their shingle sets; texts with fewer than 3 words or no shingle left have an empty set.
    """
    tokens = [words(text) for text in texts]
    sizes = [CHARACTERS if _is_unspaced(_normal(text)) else WORDS for text in texts]
    vocabulary: dict[str, int] = {}
    occurrences = [_occurrences(t, n, vocabulary) for t, n in zip(tokens, sizes, strict=True)]
    sets = _matrix(occurrences, len(vocabulary))
    shared = _templates(sets, tokens, occurrences, sizes, items)
    kept = sets[:, ~shared].tocsr()
    lengths = np.array([len(t) for t in tokens])
    comparable = (lengths >= np.array(sizes, dtype=np.int64)) & (np.diff(kept.indptr) > 0)
    residual = [
        " ".join(w for w, out in zip(t, _covered(t, o, n, shared), strict=True) if not out)
        for t, o, n in zip(tokens, occurrences, sizes, strict=True)
    ]
    return Shingles(kept, comparable, [" ".join(t) for t in tokens], residual, int(shared.sum()))


def _occurrences(tokens: list[str], size: int, vocabulary: dict[str, int]) -> list[int]:
    grams = ("\x1f".join(tokens[i : i + size]) for i in range(len(tokens) - size + 1))
    return [vocabulary.setdefault(gram, len(vocabulary)) for gram in grams]


def _matrix(occurrences: list[list[int]], columns: int) -> sparse.csr_matrix:
    unique = [sorted(set(row)) for row in occurrences]
    starts = np.concatenate(([0], np.cumsum([len(row) for row in unique], dtype=np.int64)))
    indices = np.array([i for row in unique for i in row], dtype=np.int32)
    return sparse.csr_matrix((np.ones(len(indices), np.int32), indices, starts), (len(unique), columns))


def _covered(tokens: list[str], row: list[int], size: int, shared: NDArray[np.bool_]) -> NDArray[np.bool_]:
    covered = np.zeros(len(tokens), bool)
    for start, column in enumerate(row):
        if shared[column]:
            covered[start : start + size] = True
    return covered


def _templates(
    sets: sparse.csr_matrix,
    tokens: list[list[str]],
    occurrences: list[list[int]],
    sizes: list[int],
    items: int,
) -> NDArray[np.bool_]:
    """Which shingles are shared text that still leaves the texts telling apart."""
    rows = np.asarray(sets.sum(axis=0)).ravel()
    frequent: NDArray[np.bool_] = (rows >= TEMPLATE_ROWS) & (rows > TEMPLATE_SHARE * sets.shape[0])
    if not frequent.any():
        return frequent
    left = [
        int((~_covered(t, o, n, frequent)).sum()) for t, o, n in zip(tokens, occurrences, sizes, strict=True)
    ]
    telling = (np.array(left) >= WORDS).astype(np.int64)
    frequent &= _mostly(sets, telling)
    first = sets.shape[0] - items
    frequent &= _mostly(sets[first:], telling[first:])
    return frequent


def _mostly(sets: sparse.csr_matrix, telling: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which shingles have at least half of their texts among those that are telling."""
    rows = np.asarray(sets.sum(axis=0)).ravel()
    mostly: NDArray[np.bool_] = 2 * np.asarray(sets.T @ telling).ravel() >= rows
    return mostly
