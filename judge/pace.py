"""The pace of a service: as many requests at once as it takes without refusing."""

from __future__ import annotations

import threading
import time

CUT = 0.75
"""What is left of the limit when the service refuses for being asked too much."""
PATIENCE_S = 0.2


class Pace:
    """A limit on requests in flight that grows by one per round trip and shrinks on refusal (AIMD).

    Only a request that began after the last cut can cut again: what was refused together counts once.

    Args:
        most: The limit never passes this.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.limit = float(most)
        self._running = 0
        self._cut_at = 0.0
        self._cuts = 0
        self._free = threading.Condition()

    def begin(self, stopped: threading.Event) -> float:
        """Wait until one more request may begin or the run is stopped; give the time it began."""
        with self._free:
            while self._running >= int(self.limit) and not stopped.is_set():
                self._free.wait(PATIENCE_S)
            self._running += 1
        return time.monotonic()

    def end(self) -> None:
        """A request came back, or never will."""
        with self._free:
            self._running -= 1
            self._free.notify()

    def faster(self) -> None:
        """The service took a request."""
        with self._free:
            self._cuts = 0
            self.limit = min(self._most, self.limit + 1 / self.limit)
            self._free.notify()

    def slower(self, began: float) -> int:
        """The service refused a request that began at that time.

        Returns:
            How often in a row, with nothing taken in between, the limit was cut: what the wait before the
            next request should grow with. An item that was unlucky waits no longer than others.
        """
        with self._free:
            if began >= self._cut_at:
                self.limit = max(1.0, self.limit * CUT)
                self._cut_at = time.monotonic()
                self._cuts += 1
            return max(1, self._cuts)
