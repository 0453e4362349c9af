"""How long to wait before asking again: full jitter, the server's word, and a bound on both."""

from __future__ import annotations

import math
import secrets

FIRST_S = 0.5
_random = secrets.SystemRandom()


def wait_s(failures: int, retry_after: str | None, max_wait_s: float) -> float:
    """Seconds to wait after a failed attempt.

    A random time between nothing and a limit that doubles with every failure ("full jitter", so that
    threads that failed together do not come back together), but not less than the server asked for and
    never more than `max_wait_s`: a server that says an hour does not hold the run for an hour.

    Args:
        failures: Attempts that failed so far, at least 1.
        retry_after: The server's `retry-after` header; what is not a number of seconds is ignored.
        max_wait_s: Longest wait.
    """
    jitter = _random.uniform(0, min(max_wait_s, FIRST_S * 2 ** (failures - 1)))
    return min(max_wait_s, max(jitter, _asked_s(retry_after)))


def _asked_s(retry_after: str | None) -> float:
    try:
        seconds = float(retry_after or 0)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) else 0.0
