"""Runs a judge over items: what the cache knows is not asked, what arrives is kept at once."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import structs

from judge.budget import Budget
from judge.panel import Panel
from judge.panel_run import judge_by_panel
from judge.ran import Ran, known
from judge.tally import Tally
from judge.verdict import Verdict, content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from judge.protocol import Arrivals, Cache, Judge
    from judge.tally import Standing
    from judge.verdict import Item, State


def judge_items(
    items: Iterable[Item],
    judge: Judge | Panel,
    cache: Cache,
    *,
    repeat: int = 0,
    again: Collection[State] = (),
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
        again: States in which a verdict of the cache is asked for anew; the new one takes its place
            unless it failed.
        progress: Told after each arrival.
        budget: What the run may take; items that it does not reach stay undone.

    Raises:
        UserError: From the judge. As with Ctrl-C, what arrives shortly after is kept, and the error goes on.
    """
    items = list(items)
    budget = budget or Budget()
    if isinstance(judge, Panel):

        def ask(member: Judge, some: list[Item]) -> Ran:
            return judge_items(
                some, member, cache, repeat=repeat, again=again, progress=progress, budget=budget
            )

        return judge_by_panel(judge, items, ask, cache, budget, repeat=repeat, again=again)
    run = _Run(items, judge, cache, repeat, progress, budget)
    run.look_up(again)
    run.ask()
    return run.result()


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
        self._tally = Tally()

    def look_up(self, again: Collection[State]) -> None:
        """Settle what the cache knows; the rest is to be asked, each content once."""
        judge_id = self._judge.identity.id
        for place, item in enumerate(self._items):
            self._places.setdefault(content_key(item, judge_id, self._repeat), []).append(place)
        for key, (first, *_) in self._places.items():
            if verdict := known(self._cache, key, again):
                self._settle(key, verdict)
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
        keys = {place: key for key, places in self._places.items() for place in places}
        judged = sorted(self._verdicts)
        verdicts = [self._verdicts[place] for place in judged]
        tally = self._tally
        return Ran(
            verdicts,
            [keys[place] for place in judged],
            undone,
            tally.asked,
            tally.cost,
            tally.tokens,
            tally.cost_known,
        )

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
            self._tally.add(verdict)
            self._budget.settle(key, verdict)
            paid = self._cache.get(key) if verdict.state == "failed" else None
            self._settle(key, paid or verdict)  # asked again in vain: what is known stays

    def _named(self, verdict: Verdict, now: datetime) -> Verdict:
        first = self._items[self._places[verdict.item_id][0]]
        return structs.replace(verdict, item_id=first.id, repeat=self._repeat, time=now)

    def _settle(self, key: str, verdict: Verdict) -> None:
        for place in self._places[key]:
            item_id = self._items[place].id
            if (verdict.item_id, verdict.repeat) != (item_id, self._repeat):
                verdict = structs.replace(verdict, item_id=item_id, repeat=self._repeat)
            self._verdicts[place] = verdict
            self._tally.abstained += verdict.state != "scored"

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._tally.standing(len(self._verdicts), len(self._items)))


def _rest(arrivals: Arrivals, error: BaseException) -> list[Verdict]:
    """What was under way when a run was stopped; nothing where the error came from the judge itself."""
    try:
        return arrivals.throw(error)
    except BaseException:  # noqa: BLE001  (the same error, which the caller raises)
        return []
