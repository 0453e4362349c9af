"""The gate's statistics: is the candidate proven better on the same held-out items?"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

RESAMPLES = 10_000
FLIPS = 100_000


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


def sign_flip(differences: Sequence[float], seed: int = 0) -> float:
    """One-sided p-value of the sign-flip test (Fisher, 1935): how often chance alone gains as much.

    Two models that are equally good swap each item's difference for its opposite with equal chance. Unlike
    the bootstrap, the test holds its level on few items too: n differing items never give less than 1 / 2**n.

    Args:
        differences: Candidate minus incumbent, one value an item.
        seed: Of the drawn signs.
    """
    # Rounded, so that scores of any kind have few distinct sizes, and draws are of those.
    data = np.round(np.asarray(differences, dtype=np.float64), 3)
    sizes, counts = np.unique(np.abs(data), return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = sum(
        size * (2.0 * rng.binomial(count, 0.5, FLIPS) - count)
        for size, count in zip(sizes, counts, strict=True)
    )
    # The slack is for sums that are equal but were added in another order.
    as_good = int(np.sum(drawn >= data.sum() - 1e-9))
    return (as_good + 1) / (FLIPS + 1)


def items_needed(alpha: float) -> int:
    """The fewest items that can prove a gain at a two-sided `alpha`: all of them better."""
    return math.ceil(math.log2(2 / alpha))


def decide(
    difference: Interval,
    p_value: float,
    *,
    alpha: float,
    min_effect: float,
    regressions: Mapping[str, tuple[float, float]],
    keep: float,
    left: int,
) -> Decision:
    """Promote or hold.

    Args:
        difference: Candidate minus incumbent on the target set, paired by item.
        p_value: Of the sign-flip test on the same differences.
        alpha: This decision's two-sided chance of an error; half of it is on the side of a promotion.
        min_effect: Smallest mean gain that counts.
        regressions: Mean score of candidate and base on each regression set.
        keep: Share of the base's score that must be kept on each of them.
        left: How many decisions the error budget still allows, this one among them.
    """
    if left < 1:
        reason = "the error budget is spent: put fresh items into the held-out sets before the next decision"
        return Decision(promoted=False, reason=reason)
    gain = f"gain {difference.mean:+.3f}, interval {difference.low:+.3f} to {difference.high:+.3f}"
    if difference.low <= 0:
        return Decision(promoted=False, reason=f"not proven better: {gain} reaches 0")
    if p_value > alpha / 2:
        chance = f"chance alone gains as much with probability {p_value:.4f}, allowed is {alpha / 2:.4f}"
        return Decision(promoted=False, reason=f"not proven better: {gain}, but {chance}")
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
