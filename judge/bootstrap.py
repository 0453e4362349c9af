"""Percentile bootstrap intervals: what a statistic of the items would be on other items of their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

RESAMPLES = 2000
AT_ONCE = 2**22


class Interval(NamedTuple):
    """Its two ends."""

    low: float
    high: float


def mean_interval(values: Sequence[float], alpha: float = 0.05, seed: int = 0) -> Interval:
    """Interval of the mean of one value per item at confidence `1 - alpha`."""
    return interval(np.asarray(values, np.float64)[:, None], lambda means: means[:, 0], alpha, seed)


def interval(
    rows: NDArray[np.float64],
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    alpha: float = 0.05,
    seed: int = 0,
) -> Interval:
    """Interval of a statistic that depends on the items' mean row only.

    Args:
        rows: One row of figures per item (items, figures).
        statistic: Takes mean rows (resamples, figures) and gives one number for each.
        alpha: One minus the confidence.
        seed: Of the resampling.
    """
    items, figures = rows.shape
    random = np.random.default_rng(seed)
    step = max(1, AT_ONCE // max(1, items))
    drawn = np.empty((RESAMPLES, figures))
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        # how often each item is drawn: the mean row is then one product
        counts = random.multinomial(items, np.full(items, 1 / items), size=size)
        drawn[start : start + size] = counts @ rows / items
    low, high = np.quantile(statistic(drawn), [alpha / 2, 1 - alpha / 2])
    return Interval(float(low), float(high))
