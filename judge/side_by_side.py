"""Several items at once, a thread each: verdicts as they arrive, and an end that nothing holds up."""

from __future__ import annotations

import contextlib
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from judge.pace import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from judge.protocol import Arrivals
    from judge.verdict import Item, Verdict

    Arrived = Verdict | BaseException

FAREWELL_S = 0.5
"""Seconds that the end of a run waits for its threads: only one whose request hangs takes so long."""
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
    source, crew = iter(items), _Crew(ask)
    try:
        while True:
            while crew.under_way < threads and (item := next(source, None)) is not None:
                crew.begin(item)
            if not crew.under_way:
                return
            arrived = crew.arrived()
            if verdicts := [verdict for verdict in arrived if not isinstance(verdict, BaseException)]:
                yield verdicts
            _raise_first(arrived)
    except GeneratorExit:
        raise
    except BaseException:
        stop()
        if rest := crew.within_grace():
            yield rest
        raise
    finally:
        crew.dismiss()


class _Crew:
    """Threads that ask, and the two queues between them and the run."""

    def __init__(self, ask: Callable[[Item], Verdict]) -> None:
        self._ask = ask
        self._todo: SimpleQueue[Item | None] = SimpleQueue()
        self._done: SimpleQueue[Arrived] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self.under_way = 0

    def begin(self, item: Item) -> None:
        """Hand out an item; there is a thread for each that is under way."""
        self._todo.put(item)
        self.under_way += 1
        if len(self._threads) < self.under_way:
            self._threads.append(threading.Thread(target=self._work, daemon=True, name="judge"))
            self._threads[-1].start()

    def _work(self) -> None:
        while (item := self._todo.get()) is not None:
            try:
                self._done.put(self._ask(item))
            except BaseException as error:  # noqa: BLE001  (raised again where the verdicts are taken)
                self._done.put(error)

    def arrived(self) -> list[Arrived]:
        """Wait for one, and take all that are there."""
        arrived: list[Arrived] = []
        while not arrived:
            with contextlib.suppress(Empty):  # in short waits: Ctrl-C may be told to another thread than this
                arrived.append(self._done.get(timeout=PATIENCE_S))
        while not self._done.empty():
            arrived.append(self._done.get())
        self.under_way -= len(arrived)
        return arrived

    def within_grace(self) -> list[Verdict]:
        """Take what is still under way, as far as it arrives in time."""
        until = time.monotonic() + GRACE_S
        rest: list[Verdict] = []
        for _ in range(self.under_way):
            try:
                came = self._done.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            if not isinstance(came, BaseException):
                rest.append(came)
        return rest

    def dismiss(self) -> None:
        """End the threads, and wait for those that have nothing under way.

        A thread that still runs when the interpreter ends can take the process down with it.
        """
        for _ in self._threads:
            self._todo.put(None)
        until = time.monotonic() + FAREWELL_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))


def _raise_first(arrived: Iterable[Arrived]) -> None:
    for error in arrived:
        if isinstance(error, BaseException):
            raise error
