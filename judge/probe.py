"""Whether a service refuses one item, or everything it is asked: a harmless small item decides."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from judge.verdict import Item
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

PROBE = Item("probe", [{"role": "user", "content": "Say yes."}], "Yes.", "yes")


class Probe:
    """Asks once, when the first refusal comes: a request that is refused costs nothing.

    Args:
        ask: Asks about the probe; raises NoAnswerError when that is not answered either.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._refused: bool | None = None

    def refuses_everything(self, fault: NoAnswerError) -> bool:
        """Whether a fault is a refusal that every item would meet."""
        if not fault.refused:
            return False
        with self._lock:
            if self._refused is None:
                try:
                    self._ask()
                except NoAnswerError as other:
                    self._refused = other.refused
                else:
                    self._refused = False
            return self._refused
