"""Several items at once: a thread each, verdicts as they arrive, and an end that no hanging request holds up."""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from judge.protocol import Arrivals
    from judge.verdict import Item, Verdict

    Arrived = Verdict | BaseException

GRACE_S = 10.0
"""Seconds that a stopped run waits for requests under way: their answers are paid for."""


def side_by_side(
    ask: Callable[[Item], Verdict], items: Iterable[Item], threads: int, stop: Callable[[], None]
) -> Arrivals:
    """Ask for each item in threads of their own.

    They are daemons: a request that hangs does not hold the process when the run is over.

    Args:
        ask: Called from up to `threads` threads.
        items: Drawn one by one, each when a thread is free for it.
        threads: Items under way at once, at most; one is under way until what arrived was taken.
        stop: Called when the run is stopped: `ask` should begin nothing more.

    Yields:
        What has arrived. After Ctrl-C or an error, what arrives within `GRACE_S`, once.
    """
    todo: SimpleQueue[Item | None] = SimpleQueue()
    done: SimpleQueue[Arrived] = SimpleQueue()
    source = iter(items)
    started = under_way = 0
    try:
        while True:
            while under_way < threads and (item := next(source, None)) is not None:
                todo.put(item)
                under_way += 1
                if started < under_way:
                    threading.Thread(target=_work, args=(ask, todo, done), daemon=True, name="judge").start()
                    started += 1
            if not under_way:
                return
            arrived = _arrived(done)
            under_way -= len(arrived)
            if verdicts := [verdict for verdict in arrived if not isinstance(verdict, BaseException)]:
                yield verdicts
            for error in arrived:
                if isinstance(error, BaseException):
                    raise error
    except GeneratorExit:
        raise
    except BaseException:
        stop()
        if rest := _within_grace(done, under_way):
            yield rest
        raise
    finally:
        for _ in range(started):
            todo.put(None)


def _work(ask: Callable[[Item], Verdict], todo: SimpleQueue[Item | None], done: SimpleQueue[Arrived]) -> None:
    while (item := todo.get()) is not None:
        try:
            done.put(ask(item))
        except BaseException as error:  # noqa: BLE001  (raised again where the verdicts are taken)
            done.put(error)


def _arrived(done: SimpleQueue[Arrived]) -> list[Arrived]:
    """Wait for one, and take all that are there."""
    arrived = [done.get()]
    while not done.empty():
        arrived.append(done.get())
    return arrived


def _within_grace(done: SimpleQueue[Arrived], under_way: int) -> list[Verdict]:
    until = time.monotonic() + GRACE_S
    rest: list[Verdict] = []
    for _ in range(under_way):
        try:
            came = done.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        if not isinstance(came, BaseException):
            rest.append(came)
    return rest
