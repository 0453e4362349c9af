"""Diversity selection on TF-IDF: a density floor, then farthest-first (k-center)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from curation.near import residuals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse


class Selection(NamedTuple):
    """What was picked.

    Attributes:
        picks: Row numbers in the order they were picked.
        below_floor: Row numbers that were too far from everything to be considered.
        coverage: Mean similarity of a row to its nearest pick, 0 to 1.
        random_coverage: The same for a random pick of the same size.
    """

    picks: list[int]
    below_floor: list[int]
    coverage: float
    random_coverage: float


def select(prompts: Sequence[str], k: int, *, floor: float = 0.05, seed: int = 0) -> Selection:
    """Pick `k` prompts that cover the rest.

    Farthest-first traversal (Gonzalez, 1985) on cosine distance of TF-IDF vectors, among the
    prompts whose density (mean similarity to all) is above the `floor` quantile: without a floor it
    picks outliers. The shared template of the prompts does not count. Ties go to the lowest number.

    Args:
        prompts: Texts, any number.
        k: How many to pick; all that are above the floor when there are fewer.
        floor: Share of the prompts, 0 to below 1, that is too sparse to be picked.
        seed: For the random pick that the result is compared with.
    """
    if k >= len(prompts):
        return Selection(list(range(len(prompts))), [], 1.0, 1.0)
    vectors = vectorise(prompts)
    density = np.asarray(vectors @ np.asarray(vectors.mean(axis=0)).ravel()).ravel()
    below = density < np.quantile(density, floor)
    picks = farthest_first(vectors, k, density, allowed=~below)
    chance = np.random.default_rng(seed).choice(len(prompts), size=len(picks), replace=False)
    return Selection(
        picks, np.flatnonzero(below).tolist(), coverage(vectors, picks), coverage(vectors, chance.tolist())
    )


def vectorise(prompts: Sequence[str]) -> sparse.csr_matrix:
    """TF-IDF vectors (prompts, terms) of unit length, the shared template left out."""
    texts = residuals(prompts)
    try:
        return TfidfVectorizer(analyzer=str.split, sublinear_tf=True).fit_transform(texts)
    except ValueError:  # no term at all: every text is punctuation or template
        return TfidfVectorizer(analyzer="char", vocabulary=[" "]).fit_transform(texts)


def farthest_first(
    vectors: sparse.csr_matrix, k: int, density: NDArray[np.float64], *, allowed: NDArray[np.bool_]
) -> list[int]:
    """Row numbers picked farthest-first, beginning with the densest row that is allowed.

    Args:
        vectors: Unit vectors (rows, terms).
        k: How many to pick.
        density: One figure a row (rows,).
        allowed: Which rows may be picked (rows,).
    """
    closest = np.where(allowed, -density, np.inf)
    picks: list[int] = []
    seen = np.full(vectors.shape[0], -np.inf)
    transposed = vectors.T.tocsc()
    for _ in range(min(k, int(allowed.sum()))):
        pick = int(np.argmin(closest))
        picks.append(pick)
        np.maximum(seen, np.asarray((vectors[pick] @ transposed).todense()).ravel(), out=seen)
        closest = np.where(allowed, seen, np.inf)
        closest[picks] = np.inf
    return picks


def coverage(vectors: sparse.csr_matrix, picks: Sequence[int]) -> float:
    """Mean over all rows of the similarity to the nearest picked row, 0 to 1."""
    if not len(picks):
        return 0.0
    nearest = np.asarray((vectors @ vectors[list(picks)].T).max(axis=1).todense()).ravel()
    return float(nearest.mean())
