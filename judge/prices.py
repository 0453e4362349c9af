"""What judging costs: prices per model and the cost of one reply."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Price(NamedTuple):
    """US dollars per million tokens, for requests that read at most `up_to` tokens in all."""

    input: float
    output: float
    cache_write: float
    cache_read: float
    up_to: float = math.inf


class Tokens(NamedTuple):
    """Tokens of one reply; `input` counts those neither written to nor read from the cache."""

    input: int
    output: int
    cache_write: int = 0
    cache_read: int = 0

    @property
    def read(self) -> int:
        """All tokens the model read."""
        return self.input + self.cache_write + self.cache_read


Prices = Mapping[str, Sequence[Price]]
"""Price bands per model, the band of the shortest requests first."""

PRICES: Prices = {
    "claude-haiku-5-5": [
        Price(0.10, 0.50, 0.125, 0.01, up_to=100_000),
        Price(0.50, 2.50, 0.625, 0.05),
    ],
    "claude-haiku-4-5": [Price(1.00, 5.00, 1.25, 0.10)],
    "claude-sonnet-5-5": [Price(2.00, 10.00, 2.50, 0.10)],
    "claude-sonnet-5": [Price(2.00, 10.00, 2.50, 0.20)],
    "claude-opus-5-5": [Price(4.00, 20.00, 5.00, 0.20)],
    "claude-opus-5": [Price(5.00, 25.00, 6.25, 0.50)],
}
"""List prices with five-minute cache writes, from the pricing and model pages of platform.claude.com,
read in November 2026. A model that is not here has an unknown cost, not a cost of nothing."""


def cost(prices: Prices, model: str, tokens: Tokens) -> float | None:
    """US dollars for one reply of `model`, or None when its price is not in the table."""
    for price in prices.get(model, ()):
        if tokens.read <= price.up_to:
            read = tokens.input * price.input + tokens.cache_write * price.cache_write
            return (read + tokens.cache_read * price.cache_read + tokens.output * price.output) / 1e6
    return None
