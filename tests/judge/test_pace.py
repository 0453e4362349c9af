"""The pace: it shrinks once per round trip when the service refuses, and grows back."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from judge.pace import CUT, Pace

GO = threading.Event()


def test_what_was_refused_together_counts_once():
    pace = Pace(32)
    began = [pace.begin(GO) for _ in range(10)]
    assert [pace.slower(time_) for time_ in began] == [1] * 10
    assert pace.limit == 32 * CUT
    pace.end()
    assert pace.slower(pace.begin(GO)) == 2
    assert pace.limit == 32 * CUT**2


def test_it_grows_by_one_per_round_trip_and_counts_refusals_anew():
    pace = Pace(8)
    for _ in range(20):
        pace.slower(time.monotonic())
    assert pace.limit == 1
    for _ in range(3):
        pace.faster()
    assert 2.5 < pace.limit < 3.5
    assert pace.slower(time.monotonic()) == 1


@given(st.lists(st.booleans(), max_size=200))
def test_the_limit_stays_between_one_and_the_most(refusals):
    pace = Pace(5)
    for refused in refusals:
        if refused:
            pace.slower(time.monotonic())
        else:
            pace.faster()
        assert 1 <= pace.limit <= 5


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
