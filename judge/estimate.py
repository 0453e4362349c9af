"""What judging some items would take, before anything is spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from judge.panel import Panel
from judge.protocol import Counting
from judge.ran import known
from judge.verdict import content_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from judge.protocol import Cache, Forecast, Judge
    from judge.verdict import Item, State


class Estimate(NamedTuple):
    """What a run would take.

    Attributes:
        items: Items that would be asked about: each content once, and not what the cache knows.
        cached: Items that the cache knows; of a panel, where it knows every member's verdict.
        input_tokens: Tokens read.
        output_tokens: Tokens written, by rule of thumb.
        cost: US dollars; None when the price is unknown.
        tokens_are: How the input tokens are known: `counted` by the service, or `estimated`.
        asked: How often a judge would be asked: once for each item, or for each member of a panel.
    """

    items: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    tokens_are: str
    asked: int


def estimate(
    items: Iterable[Item], judge: Judge | Panel, cache: Cache, repeat: int = 0, again: Collection[State] = ()
) -> Estimate:
    """What judging the items would take; takes what `judge.run.judge_items` takes."""
    items = list({content_key(item, "", 0): item for item in items}.values())
    judges = [member.judge for member in judge.members] if isinstance(judge, Panel) else [judge]
    left = [_left(items, one, cache, repeat, again) for one in judges]
    told = [_forecasts(one, unknown) for one, unknown in zip(judges, left, strict=True)]
    forecasts = [forecast for some, _ in told for forecast in some]
    costs = [forecast.cost for forecast in forecasts if forecast.cost is not None]
    asked = len({content_key(item, "", 0) for unknown in left for item in unknown})
    return Estimate(
        asked,
        len(items) - asked,
        sum(forecast.read for forecast in forecasts),
        sum(forecast.written for forecast in forecasts),
        sum(costs) if len(costs) == len(forecasts) else None,
        " and ".join(dict.fromkeys(how for _, how in told)),
        len(forecasts),
    )


def _left(
    items: Sequence[Item], judge: Judge, cache: Cache, repeat: int, again: Collection[State]
) -> list[Item]:
    """The items that this judge would be asked about."""
    judge_id = judge.identity.id
    return [item for item in items if not known(cache, content_key(item, judge_id, repeat), again)]


def _forecasts(judge: Judge, items: Sequence[Item]) -> tuple[list[Forecast], str]:
    if isinstance(judge, Counting):
        return judge.counted(items)
    return [judge.forecast(item) for item in items], "estimated"
