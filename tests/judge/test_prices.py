"""Costs: bands by what was read, cached tokens at their own price, unknown models unknown."""

from __future__ import annotations

import pytest

from judge.prices import PRICES, Tokens, cost


def test_a_million_tokens_of_each_kind_cost_the_sum_of_the_prices():
    million = Tokens(1_000_000, 1_000_000, 1_000_000, 1_000_000)
    assert cost(PRICES, "claude-haiku-4-5", million) == pytest.approx(1 + 5 + 1.25 + 0.1)


def test_a_long_request_falls_into_the_dearer_band():
    short = cost(PRICES, "claude-haiku-5-5", Tokens(50_000, 0, 50_000, 0))
    long = cost(PRICES, "claude-haiku-5-5", Tokens(50_000, 0, 50_000, 1))
    assert short == pytest.approx(0.05 * 0.10 + 0.05 * 0.125)
    assert long == pytest.approx(0.05 * 0.50 + 0.05 * 0.625, rel=1e-4)


def test_an_unknown_model_has_no_cost():
    assert cost(PRICES, "other", Tokens(1, 1)) is None
