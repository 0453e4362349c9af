"""The gate's statistics: is the candidate proven better on the same held-out items?"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

RESAMPLES = 10_000


class Interval(NamedTuple):
    """A mean and its confidence interval."""

    mean: float
    low: float
    high: float


class Decision(NamedTuple):
    """What the gate says, and why in words."""

    promoted: bool
    reason: str


def interval(values: Sequence[float], alpha: float, seed: int = 0) -> Interval:
    """Mean and two-sided percentile bootstrap interval (Efron, 1979).

    Args:
        values: One value an item; for a paired comparison the differences.
        alpha: Chance that the interval misses the mean, 0 to 1.
        seed: Of the resampling.

    Raises:
        ValueError: There are no values.
    """
    if not len(values):
        raise ValueError("no values")
    data = np.asarray(values, dtype=np.float64)
    means = _resampled_means(data, np.random.default_rng(seed))
    low, high = np.quantile(means, [alpha / 2, 1 - alpha / 2])
    return Interval(float(data.mean()), float(low), float(high))


def _resampled_means(data: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Means of resamples; only how often each distinct value is drawn matters, so that is what is drawn."""
    levels, counts = np.unique(data, return_counts=True)
    drawn = rng.multinomial(len(data), counts / len(data), size=RESAMPLES)
    means: NDArray[np.float64] = drawn @ levels / len(data)
    return means


def decide(
    difference: Interval,
    *,
    min_effect: float,
    regressions: Mapping[str, tuple[float, float]],
    keep: float,
    left: int,
) -> Decision:
    """Promote or hold.

    Args:
        difference: Candidate minus incumbent on the target set, paired by item.
        min_effect: Smallest mean gain that counts.
        regressions: Mean score of candidate and base on each regression set.
        keep: Share of the base's score that must be kept on each of them.
        left: How many decisions the error budget still allows, this one among them.
    """
    if left < 1:
        reason = "the error budget is spent: freeze a new held-out set before the next decision"
        return Decision(promoted=False, reason=reason)
    gain = f"gain {difference.mean:+.3f}, interval {difference.low:+.3f} to {difference.high:+.3f}"
    if difference.low <= 0:
        return Decision(promoted=False, reason=f"not proven better: {gain} reaches 0")
    if difference.mean < min_effect:
        return Decision(
            promoted=False, reason=f"the gain is too small to matter: {gain}, wanted {min_effect}"
        )
    for name, (candidate, base) in regressions.items():
        if candidate < keep * base:
            reason = (
                f"worse on {name}: {candidate:.3f}, where {keep:.0%} of the base's {base:.3f} must be kept"
            )
            return Decision(promoted=False, reason=reason)
    return Decision(promoted=True, reason=f"proven better: {gain}")
