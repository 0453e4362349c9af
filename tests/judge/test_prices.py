"""Costs: bands by what was read, cached tokens at their own price, unknown models unknown."""

from __future__ import annotations

import pytest

from judge.prices import PRICES, Price, Tokens, cost, price_table


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


def test_a_batch_costs_its_share():
    tokens = Tokens(1_000_000, 1_000_000)
    assert cost(PRICES, "claude-haiku-4-5", tokens, batch=True) == pytest.approx(3)


def test_without_prices_for_the_cache_it_costs_what_reading_costs():
    table = price_table([Price("m", 2.0, 3.0)])
    assert cost(table, "m", Tokens(0, 0, 1_000_000, 1_000_000)) == pytest.approx(4)
    assert cost(table, "m", Tokens(1_000_000, 0), batch=True) == pytest.approx(2)


def test_bands_are_ordered_by_what_they_go_up_to():
    table = price_table([Price("m", 9.0, 9.0), Price("m", 1.0, 1.0, up_to=10)])
    assert [price.input for price in table["m"]] == [1.0, 9.0]
