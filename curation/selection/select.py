"""Picks some of many texts, and says whether that was better than picking at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.selection.density import above_floor, density
from curation.selection.facility import facility
from curation.selection.kcenter import farthest_first
from curation.selection.nearest import coverage
from curation.selection.vectors import Vectors, vectorise

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from curation.selection.limits import Limits
    from curation.selection.settings import Method

NEAR = 0.2
SAMPLE = 10_000
DRAWS = 5
"""Random picks that the result is compared with: one alone may be a lucky one."""


class Worth(NamedTuple):
    """What some picks are worth.

    Attributes:
        coverage: Share of the texts that have a pick at a similarity of at least 0.2.
        facility: Mean similarity of a text to the nearest pick: the facility location value of a text.
    """

    coverage: float
    facility: float


class Selection(NamedTuple):
    """What was picked.

    Attributes:
        picks: Text numbers in the order they were picked.
        gains: What each pick added (picks,): for `kcenter` its distance to the picks before it, 0 to 1, for
            `facility` similarity summed over all texts, for `random` 1; times its weight.
        below_floor: Numbers of the texts that resemble too few others to be picked.
        worth: Of the picks.
        chance: Random picks of the same size: as many texts, or where not all fit into the budget, within
            what the picks cost. For `random` the first are the picks themselves.
        random_worth: Of each random pick.
    """

    picks: NDArray[np.int64]
    gains: NDArray[np.float64]
    below_floor: NDArray[np.int64]
    worth: Worth
    chance: list[NDArray[np.int64]]
    random_worth: list[Worth]


def select(
    texts: pl.Series,
    limits: Limits,
    *,
    method: Method = "kcenter",
    floor: float = 0.05,
    prior: pl.Series | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Selection:
    """Pick texts that cover the others, on TF-IDF vectors.

    Args:
        texts: Strings (texts,), none of them null.
        limits: How many, of what cost, with which weights.
        method: `kcenter` picks what is farthest from the picks before it, `facility` what brings the others
            nearest to a pick, `random` by chance.
        floor: Share of the texts, 0 to below 1, that is not picked because it resembles the others least.
            Without a floor, `kcenter` picks outliers.
        prior: Strings that count as picked before.
        seed: For the random pick, and those that the result is compared with.
        threads: For `facility`; the picks do not depend on it.
    """
    count, before = len(texts), prior if prior is not None else pl.Series([], dtype=pl.String)
    vectors = vectorise(pl.concat([texts.rename(""), before.rename("")]))
    old = np.arange(count, count + len(before), dtype=np.int32)
    dense = density(vectors)
    allowed = above_floor(dense[:count], 0.0 if method == "random" else floor)
    odd = np.ones(count, bool)
    odd[allowed] = False
    weight = np.concatenate([limits.weight, np.zeros(len(before))])
    wider = limits._replace(weight=weight)
    if method == "random":
        picks = by_chance(count, limits, seed)
        gains = np.ones(len(picks))
    elif method == "facility":
        picks, gains = facility(vectors, allowed, wider, old, threads)
    else:
        picks, gains = farthest_first(vectors, dense, allowed, wider, old)
    same = _same_size(limits, picks)
    chance = [by_chance(count, same, seed), *(by_chance(count, same, [seed, n]) for n in range(2, DRAWS + 1))]
    # by another seed than the random picks, which would otherwise be measured on themselves
    sample = np.sort(np.random.default_rng([seed, 1]).permutation(count)[:SAMPLE])
    worth, *random_worth = (_worth(vectors, np.concatenate([old, p]), sample) for p in (picks, *chance))
    return Selection(picks, gains, np.flatnonzero(odd), worth, chance, random_worth)


def by_chance(count: int, limits: Limits, seed: int | list[int]) -> NDArray[np.int64]:
    """Text numbers in a random order, as far as the limits go; a text that does not fit is passed over."""
    order = np.random.default_rng(seed).permutation(count)
    fits = np.cumsum(limits.cost[order]) <= limits.budget
    if not fits.all():
        fits = np.zeros(count, bool)
        left = limits.budget
        for place, cost in enumerate(limits.cost[order].tolist()):
            if cost <= left:
                fits[place], left = True, left - cost
    return order[fits][: limits.most]


def _same_size(limits: Limits, picks: NDArray[np.int64]) -> Limits:
    """Limits for the random pick that some picks are compared with."""
    if int(limits.cost.sum()) <= limits.budget:
        return limits._replace(most=len(picks))
    return limits._replace(budget=int(limits.cost[picks].sum()))


def _worth(vectors: Vectors, picks: NDArray[np.int64], sample: NDArray[np.int64]) -> Worth:
    if not len(sample) or not len(picks):
        return Worth(0.0, 0.0)
    near = coverage(vectors, picks, sample)
    bare = np.diff(vectors.starts) == 0  # without a word: alike among themselves
    near[bare[sample]] = float(bare[picks].any())
    return Worth(float((near >= NEAR).mean()), float(near.mean()))
