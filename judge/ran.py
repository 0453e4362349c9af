"""What a run of a judge gave, and what it need not ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

    from judge.protocol import Cache
    from judge.verdict import Item, State, Verdict


class Ran(NamedTuple):
    """What a run gave.

    Attributes:
        verdicts: One per item that was judged, in the order of the items.
        keys: Their content keys.
        undone: Items that the budget did not reach.
        asked: Distinct items that the judge was asked about.
        cost: US dollars that those took; what is unknown counts as nothing.
        tokens: Tokens that those read and wrote.
        cost_known: Whether none of the cost is unknown.
    """

    verdicts: list[Verdict]
    keys: list[str]
    undone: list[Item]
    asked: int
    cost: float
    tokens: int
    cost_known: bool


def known(cache: Cache, key: str, again: Collection[State] = ()) -> Verdict | None:
    """The verdict of the cache that need not be asked for."""
    verdict = cache.get(key)
    return None if verdict is None or verdict.state in again else verdict
