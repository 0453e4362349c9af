"""Runs a judge over items: what the cache knows is not asked, what arrives is kept at once."""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from judge.budget import Budget
from judge.panel import Panel
from judge.protocol import Counting
from judge.verdict import Verdict, content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from judge.protocol import Arrivals, Cache, Judge
    from judge.verdict import Item


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


class Ran(NamedTuple):
    """What a run gave.

    Attributes:
        verdicts: One per item that was judged, in the order of the items.
        undone: Items that the budget did not reach.
        asked: Distinct items that the judge was asked about.
        cost: US dollars that those took; what is unknown counts as nothing.
        tokens: Tokens that those read and wrote.
    """

    verdicts: list[Verdict]
    undone: list[Item]
    asked: int
    cost: float
    tokens: int


def judge_items(
    items: Iterable[Item],
    judge: Judge | Panel,
    cache: Cache,
    *,
    repeat: int = 0,
    progress: Callable[[Standing], None] | None = None,
    budget: Budget | None = None,
) -> Ran:
    """Judge every item, once per distinct content.

    Args:
        items: What to judge.
        judge: Who judges; each member of a panel is asked, and kept, on its own.
        cache: Asked first; given the verdicts as they arrive, from this thread. Failed verdicts are not
            kept, so the next run asks again.
        repeat: Number of the asking: another number asks again what the cache knows.
        progress: Told after each arrival.
        budget: What the run may take; items that it does not reach stay undone.

    Raises:
        UserError: From the judge. As with Ctrl-C, what arrives shortly after is kept, and the error goes on.
    """
    items = list(items)
    budget = budget or Budget()
    if isinstance(judge, Panel):
        runs = [
            judge_items(items, member.judge, cache, repeat=repeat, progress=progress, budget=budget)
            for member in judge.members
        ]
        return _combined(judge, items, runs)
    run = _Run(items, judge, cache, repeat, progress, budget)
    run.look_up()
    run.ask()
    return run.result()


def _combined(panel: Panel, items: Sequence[Item], runs: Sequence[Ran]) -> Ran:
    """The panel's verdict on each item that every member was asked about."""
    undone = {item.id for run in runs for item in run.undone}
    judged = [item for item in items if item.id not in undone]
    votes = [[v for v in run.verdicts if v.item_id not in undone] for run in runs]
    verdicts = [panel.verdict(list(said)) for said in zip(*votes, strict=True)] if judged else []
    left = [item for item in items if item.id in undone]
    asked, cost, tokens = (sum(column) for column in zip(*(run[2:] for run in runs), strict=True))
    return Ran(verdicts, left, int(asked), cost, int(tokens))


class _Run:
    """One judge over some items: places of each content, and the verdicts so far."""

    def __init__(
        self,
        items: list[Item],
        judge: Judge,
        cache: Cache,
        repeat: int,
        progress: Callable[[Standing], None] | None,
        budget: Budget,
    ) -> None:
        self._items, self._judge, self._cache, self._repeat = items, judge, cache, repeat
        self._progress, self._budget = progress, budget
        self._places: dict[str, list[int]] = {}
        self._verdicts: dict[int, Verdict] = {}
        self._unknown: deque[Item] = deque()
        self._asked = self._abstained = self._tokens = 0
        self._cost = 0.0
        self._began = time.monotonic()

    def look_up(self) -> None:
        """Settle what the cache knows; the rest is to be asked, each content once."""
        judge_id = self._judge.identity.id
        for place, item in enumerate(self._items):
            self._places.setdefault(content_key(item, judge_id, self._repeat), []).append(place)
        for key, (first, *_) in self._places.items():
            if known := self._cache.get(key):
                self._settle(key, known)
            else:
                self._unknown.append(structs.replace(self._items[first], id=key))

    def ask(self) -> None:
        """Ask in rounds: what did not fit into the budget may fit when the rest of a round is settled."""
        while left := len(self._unknown):
            arrivals = self._judge.verdicts(self._admitted())
            try:
                for arrived in arrivals:
                    self._keep(arrived)
                    self._tell()
            except BaseException as error:
                self._keep(_rest(arrivals, error))
                raise
            if len(self._unknown) == left:
                return

    def result(self) -> Ran:
        """What there is, in the order of the items."""
        undone = [item for place, item in enumerate(self._items) if place not in self._verdicts]
        verdicts = [self._verdicts[place] for place in sorted(self._verdicts)]
        return Ran(verdicts, undone, self._asked, self._cost, self._tokens)

    def _admitted(self) -> Iterator[Item]:
        while self._unknown:
            item = self._unknown[0]
            if self._budget.limited and not self._budget.admits(item.id, self._judge.forecast(item)):
                return
            yield self._unknown.popleft()

    def _keep(self, arrived: Sequence[Verdict]) -> None:
        """Keep what has a reply, and give it to every item with that content."""
        now = datetime.now(UTC).replace(tzinfo=None)
        named = {v.item_id: self._named(v, now) for v in arrived}
        self._cache.put({key: v for key, v in named.items() if v.state != "failed"})
        for key, verdict in named.items():
            self._asked += 1
            self._cost += verdict.cost or 0.0
            self._tokens += verdict.input_tokens + verdict.output_tokens
            self._budget.settle(key, verdict)
            self._settle(key, verdict)

    def _named(self, verdict: Verdict, now: datetime) -> Verdict:
        first = self._items[self._places[verdict.item_id][0]]
        return structs.replace(verdict, item_id=first.id, repeat=self._repeat, time=now)

    def _settle(self, key: str, verdict: Verdict) -> None:
        for place in self._places[key]:
            item_id = self._items[place].id
            self._verdicts[place] = structs.replace(verdict, item_id=item_id, repeat=self._repeat)
            self._abstained += verdict.state != "scored"

    def _tell(self) -> None:
        if self._progress:
            rate = self._asked / max(time.monotonic() - self._began, 1e-9)
            done, total = len(self._verdicts), len(self._items)
            self._progress(Standing(done, total, self._asked, self._abstained, self._cost, rate))


def _rest(arrivals: Arrivals, error: BaseException) -> list[Verdict]:
    """What was under way when a run was stopped; nothing where the error came from the judge itself."""
    try:
        return arrivals.throw(error)
    except BaseException:  # noqa: BLE001  (the same error, which the caller raises)
        return []


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


def estimate(items: Iterable[Item], judge: Judge | Panel, cache: Cache, repeat: int = 0) -> Estimate:
    """What judging the items would take."""
    items = list(items)
    judges = [member.judge for member in judge.members] if isinstance(judge, Panel) else [judge]
    parts = [_estimate(items, one, cache, repeat) for one in judges]
    costs = [part.cost for part in parts if part.cost is not None]
    items_, cached, read, written = (sum(c) for c in zip(*(part[:4] for part in parts), strict=True))
    hows = " and ".join(dict.fromkeys(part.tokens_are for part in parts))
    total = sum(costs) if len(costs) == len(parts) else None
    return Estimate(items_, cached, read, written, total, hows)


def _estimate(items: Sequence[Item], judge: Judge, cache: Cache, repeat: int) -> Estimate:
    asked = {content_key(item, judge.identity.id, repeat): item for item in items}
    unknown = [item for key, item in asked.items() if not cache.get(key)]
    if isinstance(judge, Counting):
        forecasts, how = judge.counted(unknown)
    else:
        forecasts, how = [judge.forecast(item) for item in unknown], "estimated"
    costs = [f.cost for f in forecasts if f.cost is not None]
    total = sum(costs) if len(costs) == len(forecasts) else None
    read, written = sum(f.read for f in forecasts), sum(f.written for f in forecasts)
    return Estimate(len(unknown), len(asked) - len(unknown), read, written, total, how)
