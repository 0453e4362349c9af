"""Runs a judge over items: what the cache knows is not asked, what arrives is kept at once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, NamedTuple

from msgspec import structs

from judge.protocol import Forecasting
from judge.verdict import Verdict, content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from judge.protocol import Cache, Judge
    from judge.verdict import Item

WINDOW = 2
"""Requests handed out at a time, in multiples of the concurrency: enough that no thread waits."""


GRACE_S = 10.0
"""Seconds that a stopped run waits for requests under way: their answers are paid for."""


class Estimate(NamedTuple):
    """What a run would take: number of items, tokens read (estimated), US dollars (None: unknown)."""

    items: int
    input_tokens: int
    cost: float | None


def judge_items(
    items: Iterable[Item],
    judge: Judge,
    cache: Cache,
    *,
    repeat: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Verdict]:
    """Judge every item, once per distinct content.

    Args:
        items: What to judge.
        judge: Called from `judge.concurrency` threads.
        cache: Asked first; given each verdict as it arrives, from this thread. Failed verdicts are not
            kept, so the next run asks again.
        repeat: Number of the asking: another number asks again what the cache knows.
        progress: Called with (items done, items in all) after each verdict.

    Returns:
        One verdict per item, in the order of the items.

    Raises:
        UserError: From the judge. As with Ctrl-C, what has not begun is cancelled, what arrives within
            `GRACE_S` is kept, and the error goes on.
    """
    items = list(items)
    places: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(content_key(item, judge.id, repeat), []).append(place)
    verdicts: dict[int, Verdict] = {}

    def settle(key: str, verdict: Verdict) -> None:
        for place in places[key]:
            verdicts[place] = structs.replace(verdict, item_id=items[place].id, repeat=repeat)
        if progress:
            progress(len(verdicts), len(items))

    unknown: deque[tuple[str, Item]] = deque()
    for key, (first, *_) in places.items():
        if known := cache.get(key):
            settle(key, known)
        else:
            unknown.append((key, items[first]))
    _ask(
        unknown,
        judge,
        lambda key, verdict: _keep(cache, key, structs.replace(verdict, repeat=repeat)),
        settle,
    )
    return [verdicts[place] for place in range(len(items))]


def estimate(items: Iterable[Item], judge: Judge) -> Estimate:
    """What judging all items once would take, for a dry run: asks nobody and looks in no cache.

    A judge that gives no forecast counts as unknown cost, reading four characters per token.
    """
    forecasts = [
        judge.forecast(item) if isinstance(judge, Forecasting) else (_characters(item) // 4, None)
        for item in items
    ]
    costs = [cost for _, cost in forecasts]
    known = [cost for cost in costs if cost is not None]
    total = sum(known) if len(known) == len(costs) else None
    return Estimate(len(forecasts), sum(tokens for tokens, _ in forecasts), total)


def _characters(item: Item) -> int:
    prompt = sum(len(message["content"]) for message in item.messages)
    return prompt + len(item.output) + len(item.reference or "")


def _keep(cache: Cache, key: str, verdict: Verdict) -> None:
    if verdict.state != "failed":
        cache.put(key, verdict)


def _ask(
    unknown: deque[tuple[str, Item]],
    judge: Judge,
    keep: Callable[[str, Verdict], None],
    settle: Callable[[str, Verdict], None],
) -> None:
    """Ask for every unknown verdict with at most a few requests handed out at a time."""
    asked: dict[Future[Verdict], str] = {}
    pool = ThreadPoolExecutor(judge.concurrency, thread_name_prefix="judge")
    try:
        while unknown or asked:
            while unknown and len(asked) < WINDOW * judge.concurrency:
                key, item = unknown.popleft()
                asked[pool.submit(judge.judge, item)] = key
            for future in wait(asked, return_when=FIRST_COMPLETED).done:
                verdict = future.result()
                key = asked.pop(future)
                keep(key, verdict)
                settle(key, verdict)
    except BaseException:
        _wind_up(asked, keep)
        raise
    finally:
        pool.shutdown(wait=False)


def _wind_up(asked: dict[Future[Verdict], str], keep: Callable[[str, Verdict], None]) -> None:
    """Cancel what has not begun; give what has a moment, and keep what it says."""
    running = [future for future in asked if not future.cancel()]
    for future in wait(running, timeout=GRACE_S).done:
        if future.exception() is None:
            keep(asked[future], future.result())
