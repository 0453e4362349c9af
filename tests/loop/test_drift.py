"""The test for drift: false alarms by the month, and falls that it must see."""

from __future__ import annotations

import numpy as np
import pytest

from loop.drift import FEWEST, has_fallen, p_value

GRADES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
SHARES = [0.05, 0.05, 0.1, 0.2, 0.6]


def scores(rng: np.random.Generator, count: int, shares: list[float] = SHARES) -> list[float]:
    return list(rng.choice(GRADES, count, p=shares))


@pytest.mark.parametrize("looks", [4, 30])
def test_without_change_a_month_has_at_most_one_false_alarm(looks: int) -> None:
    """Looks at growing, overlapping windows; an alarm runs a cycle, which takes the window as its traces."""
    rng, months, alarms = np.random.default_rng(1), 30, 0
    for look in range(months * looks):
        if look % looks == 0:
            before, now = scores(rng, 120), []
        now += scores(rng, 10)
        if has_fallen(before, now, looks):
            alarms, before, now = alarms + 1, now, []
    assert 0 < alarms <= months


def test_a_fall_is_seen_within_a_month_and_a_rise_is_none() -> None:
    rng, worse = np.random.default_rng(2), [0.2, 0.2, 0.2, 0.2, 0.2]
    before = scores(rng, 200)
    assert has_fallen(before, scores(rng, 100, worse), 30)
    assert not has_fallen(scores(rng, 200, worse), scores(rng, 100), 30)


def test_few_scores_say_nothing() -> None:
    assert not has_fallen([1.0] * (FEWEST - 1), [0.0] * 500, 30)
    assert not has_fallen([1.0] * 500, [0.0] * (FEWEST - 1), 30)
    assert not has_fallen([], [], 1)


def test_the_p_value_is_of_one_side_and_counts_the_order_seen() -> None:
    low, high = np.zeros(20), np.ones(20)
    assert p_value(high, low, 99, 99) == pytest.approx(0.01)
    assert p_value(low, high, 99, 99) == pytest.approx(1.0)
    assert p_value(low, low, 99, 20) == pytest.approx(1.0)
