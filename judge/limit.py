"""A limit of time on a computation: a regular expression from outside can take longer than the universe."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class TooLongError(Exception):
    """The time is up."""


@contextlib.contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Stop the block when its time is up; Python's `re` looks for signals while it searches.

    Signals reach the main thread alone: in another thread there is no limit. Neither is there where
    the program has a timer of its own.

    Raises:
        TooLongError: The block took longer.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
        yield
        return
    before = signal.signal(signal.SIGALRM, _ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _ring(_: int, __: FrameType | None) -> None:
    raise TooLongError
