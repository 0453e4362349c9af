"""What a run's metrics say in words, and as plots."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from training.curves import sparkline, svg, terminal, warnings


def _metrics(losses, held=()):
    lines = [
        {"step": i + 1, "epoch": 0, "loss": loss, "learning_rate": 1 / (i + 1)}
        for i, loss in enumerate(losses)
    ]
    return lines + [{"step": 10 * (i + 1), "validation_loss": loss} for i, loss in enumerate(held)]


FALLING = [5 * 0.9**i for i in range(40)]


def test_a_run_that_went_well_has_no_warning():
    assert warnings(_metrics(FALLING, [4, 3, 2, 2.1]), end_of_turn=1.0) == []


@pytest.mark.parametrize(
    ("losses", "held", "end", "said"),
    [
        (FALLING[:6], (), None, "only 6 steps"),
        ([3.0, 3.1, 2.9] * 10, (), None, "does not fall"),
        ([*FALLING[:20], 9.0, *FALLING[20:]], (), None, "jumps at step 21"),
        (FALLING, (2.0, 1.0, 1.5), None, "over-fitting"),
        (FALLING, (), 0.1, "ends its turn after 10%"),
    ],
)
def test_what_went_wrong_is_said_in_words(losses, held, end, said):
    (warning,) = warnings(_metrics(losses, held), end)
    assert said in warning


def test_a_run_of_no_steps_is_no_error():
    assert terminal([]) == ""
    assert len(warnings([])) == 1
    ET.fromstring(svg([]))


def test_the_plots_show_every_curve():
    metrics = _metrics(FALLING, [4, 3])
    lines = terminal(metrics).splitlines()
    assert [line.split()[0] for line in lines] == ["loss", "validation_loss", "learning_rate"]
    assert lines[0].split()[2][0] == "█"
    assert lines[0].split()[2][-1] == "▁"
    root = ET.fromstring(svg(metrics))
    drawn = [part for part in root if part.tag.endswith("polyline")]
    assert [len(line.get("points").split()) for line in drawn] == [40, 2, 40]


def test_a_long_run_fits_the_terminal():
    assert len(sparkline(range(1000))) <= 60
    assert sparkline([1, 1]) == "▁▁"


def test_steps_are_counted_where_not_each_has_a_line():
    every_tenth = [
        line | {"step": 10 * line["step"]} for line in _metrics([*FALLING[:20], 9.0, *FALLING[20:]])
    ]
    (warning,) = warnings(every_tenth)
    assert "jumps at step 210" in warning
    assert warnings(every_tenth[:6]) == []
