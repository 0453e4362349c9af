"""Every figure of the token report against the same figure worked out by hand, row by row."""

from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.lengths import BINS, histogram, measure, packed, padded, spread

some = st.lists(st.integers(1, 60), min_size=1, max_size=60)


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(some)
def test_spread(values):
    ordered = sorted(values)
    found = spread(array(values))
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.median == statistics.median(values)
    assert found.p95 == ordered[math.ceil(len(values) * 95 / 100) - 1]
    assert found.p99 == ordered[math.ceil(len(values) * 99 / 100) - 1]
    assert found.max == ordered[-1]


@given(some, st.integers(1, 70))
def test_padding(values, batch_size):
    batches = [values[i : i + batch_size] for i in range(0, len(values), batch_size)]
    assert padded(array(values), batch_size) == sum(len(batch) * max(batch) for batch in batches)


def written_out(values: list[int], capacity: int) -> list[int]:
    """Best fit decreasing, one row at a time: how full each sequence is."""
    filled: list[int] = []
    for value in sorted(values, reverse=True):
        fitting = [i for i, used in enumerate(filled) if used + value <= capacity]
        if fitting:
            filled[max(fitting, key=lambda i: filled[i])] += value
        else:
            filled.append(value)
    return filled


@settings(max_examples=1000)
@example([1, 1, 31, 31], 60)
@given(some, st.integers(60, 130))
def test_packing_is_best_fit_decreasing(values, capacity):
    filled = written_out(values, capacity)
    assert packed(array(values), capacity) == (len(filled), max(filled))


def test_packing_many_alike_and_none():
    assert packed(array([7] * 100_000), 100) == (math.ceil(100_000 / 14), 98)
    assert packed(array([]), 100) == (0, 0)
    assert padded(array([]), 8) == 0


@given(some)
def test_the_histogram_holds_every_row_once(values):
    bins = histogram(array(values))
    assert [b.rows for b in bins] == [sum(b.first <= v <= b.last for v in values) for b in bins]
    assert sum(b.rows for b in bins) == len(values)
    assert (bins[0].first, bins[-1].last >= max(values), len(bins) <= BINS + 1) == (min(values), True, True)
    assert all(a.last + 1 == b.first for a, b in itertools.pairwise(bins))


def test_one_long_row_does_not_flatten_the_histogram():
    bins = histogram(array([*range(10, 110)] * 2 + [50_000]))
    assert (len(bins), bins[-1].last, bins[-1].rows) == (BINS + 1, 50_000, 1)
    assert sum(b.rows > 0 for b in bins) == BINS + 1


def test_the_report_of_a_small_file():
    prompt, answer = array([8, 30, 2, 18, 90, 3]), array([2, 10, 3, 2, 20, 7])  # 10 40 5 20 110 10
    found = measure(prompt, answer, max_length=40, batch_size=2, shared=51)
    assert (found.rows, found.over, found.over_share, found.worst) == (6, 1, 1 / 6, (4,))
    assert (found.prompt.max, found.answer.max, found.whole.max) == (90, 20, 110)
    in_order = 2 * 40 + 2 * 20 + 10  # 10 40 | 5 20 | 10
    by_length = 2 * 10 + 2 * 20 + 40  # 5 10 | 10 20 | 40
    one, two, three, four = found.layouts
    assert (one.tokens, one.padding, one.saved) == (in_order, pytest.approx(45 / 130), 0)
    assert (two.tokens, two.padding) == (by_length, pytest.approx(15 / 100))
    assert two.saved == pytest.approx(30 / 130)
    assert (three.tokens, three.padding) == (3 * 40, pytest.approx(35 / 120))
    assert (four.tokens, four.padding, four.saved) == (51, 0, pytest.approx(79 / 130))


def test_the_worst_rows_are_the_longest_first_and_the_earlier_of_two():
    found = measure(array([9, 50, 7, 50, 60, 8, 20, 30, 40]), array([1] * 9), max_length=8, batch_size=4)
    assert found.over == 8
    assert found.worst == (4, 1, 3, 8, 7)
    assert len(found.layouts) == 3


def test_no_row_fits():
    found = measure(array([9]), array([1]), max_length=8, batch_size=4, shared=0)
    assert [(w.tokens, w.padding, w.saved) for w in found.layouts] == [(0, 0, 0)] * 4
