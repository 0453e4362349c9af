"""The pace: it is cut once for what was refused together, and grows back."""

from __future__ import annotations

import math
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judge import pace as module
from judge.pace import CUT, GROWTH, MEASURED_S, SLOWEST, Pace

GO = threading.Event()


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that is set by hand."""
    hands = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: hands.now))
    return hands


def test_what_was_refused_together_cuts_once(clock):
    pace = Pace(32)
    began = [pace.begin(GO) for _ in range(10)]
    clock.now += 2
    for moment in began:
        pace.slower(moment)
    assert pace.rate == pytest.approx(10 / 2 * CUT)
    pace.slower(clock.now)
    assert pace.rate == pytest.approx(10 / 2 * CUT**2)


def test_the_first_refusal_is_measured_over_some_time(clock):
    pace = Pace(32)
    pace.slower(pace.begin(GO))
    assert pace.rate == pytest.approx(1 / MEASURED_S * CUT)


def test_it_grows_the_faster_the_longer_nothing_was_refused(clock):
    pace = Pace(8)
    pace.slower(pace.begin(GO))
    cut = pace.rate
    seen = []
    for _ in range(5):
        clock.now += 1
        pace.faster()
        seen.append(pace.rate / cut)
    assert seen == pytest.approx([math.exp(GROWTH * t * t / 2) for t in range(1, 6)])


def test_requests_begin_at_the_rate(clock):
    pace = Pace(8)
    pace.rate = 4.0
    pace.begin(GO)
    clock.now += 0.01
    pauses = []
    for _ in range(3):
        pauses.append(pace._pause())
        clock.now += pauses[-1]
        pace.begin(GO)
    assert sum(pauses) == pytest.approx(0.75 - 0.01 - module.CREDIT_S)


@given(st.lists(st.booleans(), max_size=200))
def test_the_rate_stays_above_the_slowest(refusals):
    pace = Pace(5)
    for refused in refusals:
        if refused:
            pace.slower(time.monotonic())
        else:
            pace.faster()
        assert pace.rate >= SLOWEST


def test_no_more_run_than_the_limit_and_a_stop_lets_all_go():
    pace, stopped, inside = Pace(2), threading.Event(), []
    ready = threading.Barrier(6)

    def ask() -> None:
        ready.wait(10)
        pace.begin(stopped)
        inside.append(1)

    threads = [threading.Thread(target=ask) for _ in range(5)]
    for thread in threads:
        thread.start()
    ready.wait(10)
    while len(inside) < 2:
        time.sleep(0.001)
    assert len(inside) == 2
    pace.end()
    stopped.set()
    for thread in threads:
        thread.join(10)
    assert len(inside) == 5
