"""What a judge and a verdict cache must offer; the room knows no more about either."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from judge.identity import Identity
    from judge.verdict import Item, Verdict

    Arrivals = Generator[list[Verdict], None, None]


class Forecast(NamedTuple):
    """What judging one item is expected to take, and what it takes at most.

    Attributes:
        read: Tokens read, estimated.
        written: Tokens written, estimated.
        cost: US dollars for that; None when unknown.
        most_tokens: Tokens that it cannot pass; None when unknown.
        most_cost: US dollars that it cannot pass; None when unknown.
    """

    read: int = 0
    written: int = 0
    cost: float | None = 0.0
    most_tokens: int | None = 0
    most_cost: float | None = 0.0


UNKNOWN = Forecast(cost=None, most_tokens=None, most_cost=None)
"""Where a judge does not say what it takes."""


class Judge(Protocol):
    """Gives verdicts on items."""

    @property
    def identity(self) -> Identity:
        """Who it is: verdicts compare only where `identity.id` is equal."""
        ...

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items, in any order.

        Items are drawn as the judge gets to them, each with an id of its own. What cannot be had is a
        state, not an exception.

        Yields:
            What has arrived: one verdict an item, `repeat` 0. An item counts as under way until the next
            ones are asked for, so that whoever keeps the verdicts has done so. After an exception, thrown
            in or its own, a judge may yield once more what was under way, and raises it then.

        Raises:
            UserError: Every item would fail the same way (a wrong key, an unknown model).
        """
        ...

    def forecast(self, item: Item) -> Forecast:
        """What judging this item is expected to take; asks nobody."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A judge whose service can count tokens."""

    def counted(self, items: Sequence[Item]) -> tuple[list[Forecast], str]:
        """A forecast for each item, and how its tokens are known: `counted` or `estimated`."""
        ...


class Cache(Protocol):
    """Where verdicts are kept between runs. Called from one thread only."""

    def get(self, key: str) -> Verdict | None:
        """The verdict under this key, or None."""
        ...

    def put(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep verdicts by key; when this returns, they survive the end of the process."""
        ...
