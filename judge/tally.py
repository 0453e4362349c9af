"""The tally of a run: how many were asked, what they took, how far it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from judge.verdict import Verdict


class Standing(NamedTuple):
    """How far a run is.

    Attributes:
        done: Items with a verdict.
        total: Items in all.
        asked: Items that the judge was asked about, not the cache.
        abstained: Verdicts without a score.
        cost: US dollars for those asked, as far as known.
        rate: Items asked per second.
    """

    done: int
    total: int
    asked: int
    abstained: int
    cost: float
    rate: float

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest takes at this rate; None while there is no rate."""
        return (self.total - self.done) / self.rate if self.rate else None


class Tally:
    """Adds up verdicts. `cost_known` says that none of the cost is unknown."""

    def __init__(self) -> None:
        self.asked = self.abstained = self.tokens = 0
        self.cost, self.cost_known = 0.0, True
        self._began = time.monotonic()

    def add(self, verdict: Verdict) -> None:
        """Count a verdict that was asked for."""
        self.asked += 1
        self.cost += verdict.cost or 0.0
        self.cost_known &= verdict.cost is not None or verdict.state == "failed"
        self.tokens += verdict.input_tokens + verdict.output_tokens

    def standing(self, done: int, total: int) -> Standing:
        """How far the run is, at the rate since it began."""
        rate = self.asked / max(time.monotonic() - self._began, 1e-9)
        return Standing(done, total, self.asked, self.abstained, self.cost, rate)
