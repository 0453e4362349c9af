"""The gate's statistics: simulated with fixed seeds, so that a change of the method shows."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from loop.gate import Decision, Interval, decide, interval, items_needed, sign_flip
from loop.steps.gate import decisions_made
from loop.store import transaction
from tests.loop.byhand import filled

if TYPE_CHECKING:
    from pathlib import Path

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

TIMES = 300


def test_the_mean_is_inside_and_the_interval_is_the_same_each_time() -> None:
    values = [0.0, 0.2, 1.0, 0.5, 0.5]
    found = interval(values, 0.05)
    assert found.mean == pytest.approx(0.44)
    assert found.low < found.mean < found.high
    assert interval(values, 0.05) == found
    assert interval(list(reversed(values)), 0.05) == found


def test_less_alpha_is_a_wider_interval() -> None:
    values = np.random.default_rng(0).normal(size=50).tolist()
    narrow, wide = interval(values, 0.2), interval(values, 0.01)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_equal_values_have_no_spread() -> None:
    assert interval([0.5] * 9, 0.05) == Interval(0.5, 0.5, 0.5)


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        interval([], 0.05)


def test_it_agrees_with_resampling_done_plainly() -> None:
    values = np.random.default_rng(1).choice([-1.0, 0.0, 0.25, 1.0], size=80)
    picks = np.random.default_rng(2).integers(0, 80, size=(20_000, 80))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    found = interval(values.tolist(), 0.05)
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(
    ("draw", "mean"),
    [
        (lambda rng, n: (rng.random(n) < 0.7).astype(float), 0.7),
        (lambda rng, n: rng.choice([-1.0, 0.0, 1.0], p=[0.1, 0.6, 0.3], size=n), 0.2),
        (lambda rng, n: rng.choice([0.0, 0.25, 0.5, 1.0], p=[0.5, 0.3, 0.15, 0.05], size=n), 0.2),
    ],
    ids=["right or wrong", "paired differences", "grades"],
)
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_it_covers_the_mean_about_as_often_as_it_says(draw: Draw, mean: float, alpha: float) -> None:
    rng = np.random.default_rng(3)
    found = [interval(draw(rng, 120).tolist(), alpha, seed=i) for i in range(TIMES)]
    covered = np.mean([i.low <= mean <= i.high for i in found])
    # Three standard errors of the simulation, and 0.02 for the method, which is a little narrow on few items.
    slack = 3 * np.sqrt(alpha * (1 - alpha) / TIMES)
    assert 1 - alpha - 0.02 - slack <= covered <= 1 - alpha + slack


def gate(differences: list[float], alpha: float) -> Decision:
    """The gate as the step calls it, with nothing but the gain to decide on."""
    found, p_value = interval(differences, alpha), sign_flip(differences)
    return decide(found, p_value, alpha=alpha, min_effect=0.01, regressions={}, keep=0.95, left=1)


@pytest.mark.slow
@pytest.mark.parametrize("differing", [0.05, 0.1, 0.2, 1.0])
@pytest.mark.parametrize("rounds", [1, 10])
@pytest.mark.parametrize("items", [3, 6, 20, 60, 120])
def test_models_that_are_equally_good_are_promoted_in_at_most_half_of_alpha_of_the_gates(
    differing: float, rounds: int, items: int
) -> None:
    rng = np.random.default_rng(4)
    alpha, gates = 0.05 / rounds, 3000
    unequal = rng.binomial(items, differing, gates)
    better = rng.binomial(unequal, 0.5)
    promoted = 0
    for (wins, losses), times in zip(
        *np.unique(np.stack([better, unequal - better], axis=1), axis=0, return_counts=True), strict=True
    ):
        differences = [1.0] * wins + [-1.0] * losses + [0.0] * (items - wins - losses)
        promoted += times * gate(differences, alpha).promoted
    assert promoted / gates <= alpha / 2 + 2 * np.sqrt(alpha / 2 / gates)


def test_a_model_that_is_clearly_better_is_promoted_nearly_always() -> None:
    rng = np.random.default_rng(5)
    draws = [rng.choice([-1.0, 0.0, 1.0], p=[0.02, 0.78, 0.2], size=120).tolist() for _ in range(100)]
    assert np.mean([gate(d, 0.005).promoted for d in draws]) >= 0.95


@pytest.mark.parametrize(
    "differences",
    [
        [1.0, 1.0, 1.0],
        [1.0, 0.4, -0.6, 0.0, 1.0],
        [0.1] * 3 + [0.2] + [-0.3],
        [-1.0, 1.0],
        np.random.default_rng(6).choice([-0.6, 0.0, 0.4, 1.0], size=9).tolist(),
    ],
)
def test_the_sign_flip_test_agrees_with_trying_all_signs(differences: list[float]) -> None:
    signs = itertools.product([-1, 1], repeat=len(differences))
    sums = [sum(s * abs(d) for s, d in zip(chosen, differences, strict=True)) for chosen in signs]
    exact = np.mean([s >= sum(differences) - 1e-9 for s in sums])
    assert sign_flip(differences) == pytest.approx(exact, abs=0.005)


def test_as_many_items_are_needed_as_can_prove_a_gain() -> None:
    for alpha in (0.2, 0.05, 0.005):
        needed = items_needed(alpha)
        assert gate([1.0] * needed, alpha).promoted
        assert not gate([1.0] * (needed - 1), alpha).promoted


SURE = Interval(0.3, 0.1, 0.5)


@pytest.mark.parametrize(
    ("difference", "regressions", "promoted", "reason"),
    [
        (SURE, {}, True, "proven better: gain +0.300, interval +0.100 to +0.500"),
        (Interval(0.3, 0.0, 0.5), {}, False, "not proven better"),
        (Interval(-0.3, -0.5, -0.1), {}, False, "not proven better"),
        (Interval(0.0, 0.0, 0.0), {}, False, "not proven better"),
        (Interval(0.005, 0.001, 0.009), {}, False, "too small to matter"),
        (SURE, {"general": (0.94, 1.0)}, False, "worse on general: 0.940"),
        (SURE, {"general": (0.95, 1.0), "old": (0.5, 0.4)}, True, "proven better"),
        (SURE, {"general": (1.0, 1.0), "old": (0.1, 0.4)}, False, "worse on old"),
        (SURE, {"general": (0.0, 0.0)}, True, "proven better"),
    ],
)
def test_every_reason(
    difference: Interval, regressions: dict[str, tuple[float, float]], promoted: bool, reason: str
) -> None:
    found = decide(
        difference, 0.001, alpha=0.005, min_effect=0.01, regressions=regressions, keep=0.95, left=1
    )
    assert found.promoted is promoted
    assert reason in found.reason


def test_a_spent_error_budget_holds_what_is_proven_better() -> None:
    found = decide(SURE, 0.001, alpha=0.005, min_effect=0.01, regressions={}, keep=0.95, left=0)
    assert not found.promoted
    assert "the error budget is spent" in found.reason


def test_a_gain_that_chance_explains_is_held() -> None:
    found = decide(SURE, 0.02, alpha=0.005, min_effect=0.01, regressions={}, keep=0.95, left=1)
    assert not found.promoted
    assert "probability 0.0200, allowed is 0.0025" in found.reason


def test_every_decision_on_a_held_out_item_spends(tmp_path: Path) -> None:
    workspace, *_ = filled(tmp_path)
    with transaction(workspace.store) as connection:
        assert decisions_made(connection, "model", ["a", "b", "c"]) == 1
        assert decisions_made(connection, "model", ["c", "new"]) == 1
        assert decisions_made(connection, "model", ["new"]) == 0
        assert decisions_made(connection, "another model", ["a"]) == 0
