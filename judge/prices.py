"""What judging costs: prices per model and the cost of one reply."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

Dollars = Annotated[float, Meta(ge=0, le=1e6)]


class Price(Struct, frozen=True, forbid_unknown_fields=True):
    """US dollars per million tokens of one model.

    Attributes:
        model: Name of the model, as the judge is told it.
        input: Tokens read.
        output: Tokens written.
        cached: Tokens read from the prompt cache; as `input` unless given.
        cache_write: Tokens written to the prompt cache; as `input` unless given.
        batch: What a batch costs, as a share of these prices.
        up_to: Requests that read more tokens have the price of the next entry for this model.
    """

    model: Annotated[str, Meta(min_length=1)]
    input: Dollars
    output: Dollars
    cached: Dollars | None = None
    cache_write: Dollars | None = None
    batch: Annotated[float, Meta(ge=0, le=1)] = 1.0
    up_to: Annotated[float, Meta(gt=0)] = math.inf


class Tokens(NamedTuple):
    """Tokens of one reply; `input` counts those neither written to nor read from the cache."""

    input: int
    output: int
    cache_write: int = 0
    cached: int = 0

    @property
    def read(self) -> int:
        """All tokens the model read."""
        return self.input + self.cache_write + self.cached


Prices = Mapping[str, Sequence[Price]]
"""Price bands per model, the band of the shortest requests first."""


def price_table(prices: Iterable[Price]) -> dict[str, list[Price]]:
    """Prices by model; the bands of a model by what they go up to."""
    table: dict[str, list[Price]] = {}
    for price in sorted(prices, key=lambda price: price.up_to):
        table.setdefault(price.model, []).append(price)
    return table


PRICES: Prices = price_table(
    [
        Price("claude-haiku-5-5", 0.10, 0.50, 0.01, 0.125, batch=0.5, up_to=100_000),
        Price("claude-haiku-5-5", 0.50, 2.50, 0.05, 0.625, batch=0.5),
        Price("claude-haiku-4-5", 1.00, 5.00, 0.10, 1.25, batch=0.5),
        Price("claude-sonnet-5-5", 2.00, 10.00, 0.10, 2.50, batch=0.5),
        Price("claude-sonnet-5", 2.00, 10.00, 0.20, 2.50, batch=0.5),
        Price("claude-opus-5-5", 4.00, 20.00, 0.20, 5.00, batch=0.5),
        Price("claude-opus-5", 5.00, 25.00, 0.50, 6.25, batch=0.5),
    ]
)
"""List prices with five-minute cache writes, from the pricing and model pages of platform.claude.com,
read in November 2026. A model that is not here has an unknown cost, not a cost of nothing."""


def cost(prices: Prices, model: str, tokens: Tokens, *, batch: bool = False) -> float | None:
    """US dollars for one reply of `model`, or None when its price is not in the table."""
    for price in prices.get(model, ()):
        if tokens.read <= price.up_to:
            written = price.input if price.cache_write is None else price.cache_write
            cached = price.input if price.cached is None else price.cached
            read = tokens.input * price.input + tokens.cache_write * written + tokens.cached * cached
            return (read + tokens.output * price.output) * (price.batch if batch else 1.0) / 1e6
    return None
