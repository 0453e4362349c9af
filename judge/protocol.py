"""What a judge and a verdict cache must offer; the room knows no more about either."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from judge.verdict import Item, Verdict


class Judge(Protocol):
    """Gives one verdict per item. `concurrency` is how many threads may call `judge` at once."""

    @property
    def id(self) -> str:
        """Judge, model, rubric version and hash: verdicts compare only where this is equal."""
        ...

    @property
    def concurrency(self) -> int:
        """How many threads may call `judge` at the same time, at least 1."""
        ...

    def judge(self, item: Item) -> Verdict:
        """The verdict on one item, with `repeat` 0; what cannot be had is a state, not an exception.

        Raises:
            UserError: Every item would fail the same way (a wrong key, an unknown model).
        """
        ...


class Forecast(NamedTuple):
    """What judging is expected to take: tokens read (estimated) and US dollars (None: unknown)."""

    input_tokens: int
    cost: float | None


@runtime_checkable
class Forecasting(Protocol):
    """A judge that can say beforehand what an item will take."""

    def forecast(self, item: Item) -> Forecast:
        """What judging this item is expected to take; asks nobody."""
        ...


class Cache(Protocol):
    """Where verdicts are kept between runs. Called from one thread only."""

    def get(self, key: str) -> Verdict | None:
        """The verdict under this key, or None."""
        ...

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep a verdict; when this returns, it survives the end of the process."""
        ...
