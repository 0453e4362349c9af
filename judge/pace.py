"""The pace of a service: so many requests at once, and as many a second as it takes without refusing."""

from __future__ import annotations

import math
import threading
import time

CUT = 0.9
"""What is left of the rate when the service refuses for being asked too much."""
GROWTH = 0.1
"""How fast the rate grows after a cut: by exp(GROWTH t² / 2) after t seconds, slowly near the rate that was
refused, and soon more where a service has recovered."""
SLOWEST = 0.1
"""Requests a second that the rate never falls below."""
MEASURED_S = 0.1
"""The first refusal is believed to come after so much time at least."""
CREDIT_S = 0.05
"""A request that began late lets the next ones begin earlier, by so much at most."""
PATIENCE_S = 0.2


class Pace:
    """A limit on requests in flight, and a rate that is found by refusals.

    A limit on requests in flight alone cannot follow a slow service: two at once may be too few for it and
    three too many. Only a request that began after the last cut can cut again: what was refused together
    counts once.

    Args:
        most: Requests in flight, at most.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rate = math.inf
        self._cut_rate, self._cut_at = math.inf, -math.inf
        self._running = self._begun = 0
        self._first = self._next = -math.inf
        self._gate = threading.Lock()
        self._free = threading.Condition()

    def begin(self, stopped: threading.Event) -> float:
        """Wait until one more request may begin or the run is stopped; give the time it began."""
        with self._gate, self._free:  # one waits for its time, the others for the gate
            while (pause := self._pause()) > 0 and not stopped.is_set():
                self._free.wait(min(PATIENCE_S, pause))
            now = time.monotonic()
            self._next = max(self._next, now - CREDIT_S) + 1 / self.rate
            self._first = now if self._begun == 0 else self._first
            self._begun += 1
            self._running += 1
        return now

    def end(self) -> None:
        """A request came back, or never will."""
        with self._free:
            self._running -= 1
            self._free.notify()

    def faster(self) -> None:
        """The service took a request."""
        with self._free:
            since = min(time.monotonic() - self._cut_at, 60.0)
            self.rate = self._cut_rate * math.exp(GROWTH * since**2 / 2)

    def slower(self, began: float) -> None:
        """The service refused a request that began at that time."""
        with self._free:
            if began < self._cut_at:
                return
            now = time.monotonic()
            if math.isinf(self.rate):
                self.rate = self._begun / max(now - self._first, MEASURED_S)
            self.rate = self._cut_rate = max(SLOWEST, self.rate * CUT)
            self._cut_at = now

    def _pause(self) -> float:
        """Seconds until a request may begin, as far as is known."""
        return PATIENCE_S if self._running >= self._most else self._next - time.monotonic()
