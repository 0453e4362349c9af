"""How a judge's run stands, in words: rate, cost, abstentions, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from judge.tally import Standing
    from loop.progress import Progress


def told(progress: Progress) -> Callable[[Standing], None]:
    """What tells the standing of a run as progress."""
    return lambda standing: progress.step(standing.done, standing.total, in_words(standing))


def in_words(standing: Standing) -> str:
    """Such as `verdicts, 12.5 a second, $0.42, 3 without a score, 4 min left`."""
    parts = [f"verdicts, {standing.rate:.1f} a second"]
    if standing.cost:
        parts.append(f"${standing.cost:.4f}")
    if standing.abstained:
        parts.append(f"{standing.abstained} without a score")
    if standing.seconds_left:
        parts.append(f"{_span(standing.seconds_left)} left")
    return ", ".join(parts)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
