"""Has the mean score fallen? A permutation test whose false alarms are counted by the month."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST = 20
"""With fewer scores on a side nothing is said."""
MOST = 1000
"""Of more scores the newest count."""
SEED = 2026


def has_fallen(before: Sequence[float], now: Sequence[float], looks: float) -> bool:
    """Whether new scores are lower than earlier ones by more than chance.

    A one-sided permutation test of the difference in means (Fisher 1935; the p-value counts the observed
    order too, as in Phipson and Smyth 2010, so it is valid at any number of permutations). Its level is one
    in the number of looks: with no change, at most one of them is expected to give an alarm, however much
    they overlap, because expectations add up. It takes the scores for exchangeable: bursts of traces that
    share their fate count as more than they are.

    Args:
        before: Scores of the last cycle's traces, 0 to 1, the oldest first.
        now: Scores of the traces since, the oldest first.
        looks: How often this is asked in the time that may see one false alarm.
    """
    old, new = np.asarray(before[-MOST:], dtype=float), np.asarray(now[-MOST:], dtype=float)
    if min(old.size, new.size) < FEWEST:
        return False
    level = min(1.0 / looks, 0.5)
    return p_value(old, new, permutations=round(20 / level), enough=20) <= level


def p_value(old: np.ndarray, new: np.ndarray, permutations: int, enough: int) -> float:
    """Chance of so low a mean of `new`, if the order of all scores means nothing.

    Args:
        old: Scores, shape (n,).
        new: Scores, shape (m,).
        permutations: How many random orders are tried, at most.
        enough: So many orders as low as the observed one end the search: it is no surprise (sequential
            Monte Carlo test, Besag and Clifford 1991).
    """
    rng = np.random.default_rng(SEED)
    scores, size = np.concatenate([new, old]), new.size
    observed = new.sum() + 1e-12
    low = tried = 0
    while tried < permutations and low < enough:
        tried += 1
        low += bool(rng.choice(scores, size, replace=False, shuffle=False).sum() <= observed)
    return (low if low == enough else low + 1) / (tried if low == enough else tried + 1)
