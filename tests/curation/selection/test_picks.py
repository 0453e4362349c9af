"""The kernels pick what the plain versions pick, row for row, and report the same gains."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.selection import graph
from curation.selection.density import above_floor, density
from curation.selection.facility import facility
from curation.selection.kcenter import farthest_first
from curation.selection.limits import Limits
from curation.selection.nearest import coverage
from curation.selection.vectors import vectorise
from tests.curation.selection import plain
from tests.curation.selection.texts import corpora, plain_limits, planted


@st.composite
def tasks(draw: st.DrawFn) -> tuple[list[str], Limits, np.ndarray, np.ndarray]:
    """Texts, limits, who is allowed, and who was picked before."""
    texts = draw(corpora)
    number = len(texts)
    cost = draw(st.lists(st.integers(0, 9), min_size=number, max_size=number))
    weight = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0]), min_size=number, max_size=number))
    limits = Limits(
        draw(st.integers(0, number)),
        draw(st.sampled_from([5, 40, 2**62])),
        np.array(cost, np.int64),
        np.array(weight),
        draw(st.sampled_from([0.0, 0.0, 0.3])),
    )
    split = draw(st.integers(0, min(3, number - 1)))
    allowed = np.array(draw(st.lists(st.booleans(), min_size=number - split, max_size=number - split)), bool)
    prior = np.arange(number - split, number, dtype=np.int32)
    limits = limits._replace(most=min(limits.most, int(allowed.sum())))
    return texts, limits, np.flatnonzero(allowed).astype(np.int32), prior


@settings(max_examples=300, deadline=None)
@given(tasks())
def test_k_center_is_farthest_first_written_out(task):
    texts, limits, allowed, prior = task
    vectors = vectorise(pl.Series(texts))
    dense = density(vectors)
    picks, gains = farthest_first(vectors, dense, allowed, limits, prior)
    expected = plain.k_center(
        plain.as_dicts(vectors), dense.tolist(), allowed.tolist(), limits, prior.tolist()
    )
    assert list(zip(picks.tolist(), gains.tolist(), strict=True)) == expected


@settings(max_examples=300, deadline=None)
@given(tasks())
def test_facility_location_is_greedy_written_out(task):
    texts, limits, allowed, prior = task
    vectors = vectorise(pl.Series(texts))
    dicts = plain.as_dicts(vectors)
    like = [[float(np.float32(plain.similarity(a, b))) for b in dicts] for a in dicts]
    near = [max((plain.similarity(v, dicts[p]) for p in prior), default=0.0) for v in dicts]
    picks, gains = facility(vectors, allowed, limits, prior)
    expected = plain.facility(like, allowed.tolist(), limits, near)
    assert list(zip(picks.tolist(), gains.tolist(), strict=True)) == expected


@settings(deadline=None)
@given(corpora, st.data())
def test_coverage_is_the_similarity_to_the_nearest_pick(texts, data):
    vectors = vectorise(pl.Series(texts))
    dicts = plain.as_dicts(vectors)
    picks = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=5))
    near = coverage(vectors, np.array(picks), np.arange(len(texts)))
    assert near.tolist() == [max(plain.similarity(v, dicts[p]) for p in picks) for v in dicts]


@pytest.mark.parametrize("seed", range(3))
def test_k_center_on_many_texts_is_that_of_a_full_matrix(seed):
    texts = planted(seed, intents=60, rows=1500).texts
    # words that all but a few texts have weigh next to nothing, and still belong to the sum
    texts = [" ".join([t, *(f"nearly{n}" for n in range(8) if i % 700 != n)]) for i, t in enumerate(texts)]
    vectors = vectorise(pl.Series(texts))
    dense = density(vectors)
    allowed = above_floor(dense, 0.05)
    picks, _ = farthest_first(vectors, dense, allowed, plain_limits(400, len(texts)), np.empty(0, np.int32))
    like = matrix(vectors)
    assert picks.tolist() == by_matrix(like, allowed, int(allowed[np.argmax(dense[allowed])]), 400)


def matrix(vectors):
    rows = np.zeros((vectors.total, len(vectors.frequency)))
    for text in range(vectors.total):
        entries = slice(vectors.starts[text], vectors.starts[text + 1])
        rows[text, vectors.terms[entries]] = vectors.weights[entries]
    # summed from the rarest term on, as the kernels do, so that nothing rounds otherwise
    like = np.zeros((vectors.total, vectors.total))
    for column in rows.T:
        shared = np.flatnonzero(column)
        like[np.ix_(shared, shared)] += np.outer(column[shared], column[shared])
    return like


def by_matrix(like, allowed, first, count):
    near, picks = like[first].copy(), [first]
    while len(picks) < count:
        rest = np.setdiff1d(allowed, picks)
        picks.append(int(rest[np.argmin(near[rest])]))
        np.maximum(near, like[picks[-1]], out=near)
    return picks


def test_a_sparse_graph_costs_next_to_nothing_in_value(monkeypatch):
    texts = planted(1, intents=60, rows=2500).texts
    vectors = vectorise(pl.Series(texts))
    limits, allowed, none = (
        plain_limits(250, len(texts)),
        np.arange(len(texts), dtype=np.int32),
        np.empty(0, np.int32),
    )
    sparse, _ = facility(vectors, allowed, limits, none)
    monkeypatch.setattr("curation.selection.facility.NEIGHBOURS", len(texts))
    monkeypatch.setattr(graph, "COMMON", len(texts))
    exact, _ = facility(vectors, allowed, limits, none)
    values = [coverage(vectors, picks, allowed).sum() for picks in (sparse, exact)]
    assert values[0] != values[1]
    assert values[0] > 0.99 * values[1]


def test_threads_do_not_change_the_picks():
    texts = planted(2, intents=40, rows=9000).texts
    vectors = vectorise(pl.Series(texts))
    limits, allowed = plain_limits(300, len(texts)), np.arange(len(texts), dtype=np.int32)
    one, two = (facility(vectors, allowed, limits, np.array([5], np.int32), threads) for threads in (1, 2))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])


def test_texts_without_a_word_do_not_lift_the_odd_ones_above_the_floor():
    dense = np.array([0.0] * 30 + [0.001] * 5 + [0.2] * 65)
    assert above_floor(dense, 0.1).tolist() == list(range(35, 100))
    assert above_floor(dense, 0.0).tolist() == list(range(100))
    assert above_floor(np.zeros(3), 0.05).tolist() == [0, 1, 2]
