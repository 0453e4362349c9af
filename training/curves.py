"""Read a run's metrics for the user: warnings in words, a small plot for a terminal, a plot file."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"
_FEW_STEPS = 20
_WIDE, _HIGH, _EDGE = 720, 260, 40


def warnings(metrics: Sequence[dict[str, Any]], end_of_turn: float | None = None) -> list[str]:
    """Say in words what looks wrong about a run, and what to do.

    Args:
        metrics: The lines of a metrics stream.
        end_of_turn: Share of validation answers after which the model ends its turn, as `training.evaluate`
            measures it; None: not measured.
    """
    losses = [line["loss"] for line in metrics if "loss" in line]
    held = [line["validation_loss"] for line in metrics if "validation_loss" in line]
    steps = [line["step"] for line in metrics if "loss" in line]
    found = [_few(max(steps, default=0)), _not_falling(losses), _spikes(losses, steps), _over_fitting(held)]
    if end_of_turn is not None and end_of_turn < 0.5:
        found.append(
            f"the model ends its turn after {end_of_turn:.0%} of the validation answers only: it will go on"
            " talking; train longer, and look whether answers in the data are cut"
        )
    return [warning for warning in found if warning]


def sparkline(values: Sequence[float], width: int = 60) -> str:
    """Return a plot of one line, each character the mean of an equal share of the values."""
    if not values:
        return ""
    size = max(1, -(-len(values) // width))
    means = [statistics.fmean(values[i : i + size]) for i in range(0, len(values), size)]
    low, high = min(means), max(means)
    top = len(_BARS) - 1
    return "".join(_BARS[round((value - low) / (high - low or 1) * top)] for value in means)


def terminal(metrics: Sequence[dict[str, Any]]) -> str:
    """Return loss, validation loss and learning rate as lines for a terminal, with their ends."""
    lines = []
    for name in ("loss", "validation_loss", "learning_rate"):
        values = [line[name] for line in metrics if name in line]
        if values:
            lines.append(f"{name:<16} {values[0]:<9.4g} {sparkline(values)} {values[-1]:.4g}")
    return "\n".join(lines)


def svg(metrics: Sequence[dict[str, Any]]) -> str:
    """Return loss, validation loss and learning rate over the steps as an SVG picture."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDE} {_HIGH}" font-family="sans-serif"'
        ' font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    losses = [line[name] for line in metrics for name in ("loss", "validation_loss") if name in line]
    last = max((line["step"] for line in metrics), default=1)
    shown = (("loss", "#1f6feb"), ("validation_loss", "#d1242f"), ("learning_rate", "#8c959f"))
    for place, (name, colour) in enumerate(shown):
        points = [(line["step"], line[name]) for line in metrics if name in line]
        if points:
            top = max(losses) if name != "learning_rate" else max(value for _, value in points)
            parts.append(_line(points, last, top, colour))
            label = f"{name.replace('_', ' ')}: {points[0][1]:.4g} to {points[-1][1]:.4g}"
            parts.append(f'<text x="{_EDGE + 220 * place}" y="20" fill="{colour}">{label}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _line(points: Sequence[tuple[int, float]], last: int, top: float, colour: str) -> str:
    wide, high = _WIDE - 2 * _EDGE, _HIGH - 2 * _EDGE
    places = " ".join(
        f"{_EDGE + step / last * wide:.1f},{_HIGH - _EDGE - value / (top or 1) * high:.1f}"
        for step, value in points
    )
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="1.5"/>'


def _few(steps: int) -> str:
    if steps >= _FEW_STEPS:
        return ""
    return f"only {steps} steps: a model learns little from so few; raise train.epochs, or add rows"


def _not_falling(losses: Sequence[float]) -> str:
    third = len(losses) // 3
    if third < 2:
        return ""
    begin, end = statistics.fmean(losses[:third]), statistics.fmean(losses[-third:])
    if end < 0.95 * begin:
        return ""
    return (
        f"the loss does not fall ({begin:.3g} to {end:.3g}): raise train.learning_rate when it hardly moves,"
        " lower it when it jumps"
    )


def _spikes(losses: Sequence[float], steps: Sequence[int]) -> str:
    jumps = [
        steps[number]
        for number in range(5, len(losses))
        if losses[number] > 3 * statistics.median(losses[number - 5 : number]) + 0.5
    ]
    if not jumps:
        return ""
    named = ", ".join(map(str, jumps[:5]))
    return f"the loss jumps at step {named}: lower train.learning_rate, or look for odd rows there"


def _over_fitting(held: Sequence[float]) -> str:
    if len(held) < 3 or held[-1] <= 1.1 * min(held):
        return ""
    return (
        f"over-fitting: the validation loss rose from {min(held):.3g} to {held[-1]:.3g}; train fewer epochs,"
        " or set train.load_best_model_at_end"
    )
