"""What judging some items would take, before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from judge.panel import Panel
from judge.protocol import Counting
from judge.run import known
from judge.verdict import content_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from judge.protocol import Cache, Judge
    from judge.verdict import Item, State


class Estimate(NamedTuple):
    """What a run would take.

    Attributes:
        items: Items that would be asked about: each content once, and not what the cache knows.
        cached: Items that the cache knows.
        input_tokens: Tokens read.
        output_tokens: Tokens written, by rule of thumb.
        cost: US dollars; None when the price is unknown.
        tokens_are: How the input tokens are known: `counted` by the service, or `estimated`.
    """

    items: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    tokens_are: str


def estimate(
    items: Iterable[Item], judge: Judge | Panel, cache: Cache, repeat: int = 0, again: Collection[State] = ()
) -> Estimate:
    """What judging the items would take; takes what `judge.run.judge_items` takes."""
    items = list(items)
    judges = [member.judge for member in judge.members] if isinstance(judge, Panel) else [judge]
    parts = [_estimate(items, one, cache, repeat, again) for one in judges]
    costs = [part.cost for part in parts if part.cost is not None]
    items_, cached, read, written = (sum(c) for c in zip(*(part[:4] for part in parts), strict=True))
    hows = " and ".join(dict.fromkeys(part.tokens_are for part in parts))
    total = sum(costs) if len(costs) == len(parts) else None
    return Estimate(items_, cached, read, written, total, hows)


def _estimate(
    items: Sequence[Item], judge: Judge, cache: Cache, repeat: int, again: Collection[State]
) -> Estimate:
    asked = {content_key(item, judge.identity.id, repeat): item for item in items}
    unknown = [item for key, item in asked.items() if not known(cache, key, again)]
    if isinstance(judge, Counting):
        forecasts, how = judge.counted(unknown)
    else:
        forecasts, how = [judge.forecast(item) for item in unknown], "estimated"
    costs = [f.cost for f in forecasts if f.cost is not None]
    total = sum(costs) if len(costs) == len(forecasts) else None
    read, written = sum(f.read for f in forecasts), sum(f.written for f in forecasts)
    return Estimate(len(unknown), len(asked) - len(unknown), read, written, total, how)
