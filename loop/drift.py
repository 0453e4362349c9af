"""Has the mean score fallen? A permutation test whose false alarms are counted by the month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 20
"""With fewer scores on a side nothing is said."""
MOST = 2000
"""Of more scores the newest count."""
SEED = 2026


def has_fallen(before: Sequence[float], now: Sequence[float], looks_a_month: float) -> bool:
    """Whether new scores are lower than earlier ones by more than chance.

    A one-sided permutation test of the difference in means (Fisher 1935; the p-value counts the observed
    order too, as in Phipson and Smyth 2010, so it is valid at any number of permutations). Its level is
    one in the looks of a month: with no change, at most one look a month is expected to give an alarm,
    however much the looks overlap, because expectations add up.

    Args:
        before: Scores of the last cycle's traces, 0 to 1, the oldest first.
        now: Scores of the traces since, the oldest first.
        looks_a_month: How often a month this is asked.
    """
    old, new = np.asarray(before[-MOST:], dtype=float), np.asarray(now[-MOST:], dtype=float)
    if min(old.size, new.size) < FEWEST:
        return False
    level = 1.0 / max(looks_a_month, 1.0)
    if level >= 1.0:
        level = 0.5  # at one look a month, an alarm at every look would keep the promise and say nothing
    return p_value(old, new, permutations=round(20 / level)) <= level


def p_value(old: np.ndarray, new: np.ndarray, permutations: int) -> float:
    """Chance of so low a mean of `new`, if the order of all scores means nothing.

    Args:
        old: Scores, shape (n,).
        new: Scores, shape (m,).
        permutations: How many random orders are tried.
    """
    rng = np.random.default_rng(SEED)
    scores, size = np.concatenate([new, old]), new.size
    observed = new.sum()
    low = 0
    for _ in range(permutations):
        low += rng.choice(scores, size, replace=False, shuffle=False).sum() <= observed + 1e-12
    return (1 + low) / (1 + permutations)
