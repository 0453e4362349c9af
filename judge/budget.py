"""A budget: what is under way counts at its most, so that the limit is never passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import UserError

if TYPE_CHECKING:
    from judge.protocol import Forecast
    from judge.verdict import Verdict


class Budget:
    """Limits on what a run may take in US dollars and in tokens.

    Args:
        cost: US dollars; 0 is no limit.
        tokens: Tokens read and written together; 0 is no limit.
    """

    def __init__(self, cost: float = 0.0, tokens: int = 0) -> None:
        self._cost_limit, self._token_limit = cost, tokens
        self.cost, self.tokens = 0.0, 0
        self._under_way: dict[str, tuple[float, int]] = {}

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return bool(self._cost_limit or self._token_limit)

    def most(self, forecast: Forecast) -> tuple[float, int]:
        """What an item takes at most, in US dollars and in tokens.

        Raises:
            UserError: There is a limit in dollars or in tokens, and what this judge takes is unknown.
        """
        if self._token_limit and forecast.most_tokens is None:
            fix = "leave the limit out: only judges with a language model of their own say what they take"
            problem = "this judge does not say how many tokens it takes"
            raise UserError(problem, where="--token-budget", fix=fix)
        if self._cost_limit and forecast.most_cost is None:
            fix = (
                "add a [[price]] for this model to regrind.toml and name its folder with -w, or limit tokens"
            )
            raise UserError("the price of this model is not known", where="--budget", fix=fix)
        return forecast.most_cost or 0.0, forecast.most_tokens or 0

    def has(self, cost: float, tokens: int) -> bool:
        """Whether so much is left beside what is under way."""
        cost += self.cost + sum(c for c, _ in self._under_way.values())
        tokens += self.tokens + sum(t for _, t in self._under_way.values())
        return not (0 < self._cost_limit < cost or 0 < self._token_limit < tokens)

    def admits(self, item_id: str, forecast: Forecast) -> bool:
        """Reserve what an item takes at most, if that much is left.

        Raises:
            UserError: As `most`.
        """
        most = self.most(forecast)
        if fits := self.has(*most):
            self._under_way[item_id] = most
        return fits

    def settle(self, item_id: str, verdict: Verdict) -> None:
        """Put what an item took in the place of what it was to take at most."""
        most_cost, most_tokens = self._under_way.pop(item_id, (0.0, 0))
        tokens = verdict.input_tokens + verdict.output_tokens
        if verdict.state != "failed" and not tokens:  # a reply that does not say what it took
            tokens = most_tokens
        unknown = verdict.state != "failed" and verdict.cost is None
        self.cost += most_cost if unknown else verdict.cost or 0.0
        self.tokens += tokens
