"""Words and vectors are those of the definition written out, in any script."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.selection.vectors import invert, vectorise
from curation.selection.words import FIRST_TABLE, cut
from tests.curation.selection.plain import as_dicts, similarity, tfidf, words
from tests.curation.selection.texts import corpora


def numbered(texts: list[str]) -> list[list[int]]:
    starts, numbers, _ = cut(pl.Series(texts, dtype=pl.String))
    return [numbers[a:b].tolist() for a, b in pairwise(starts)]


def first_seen(texts: list[str]) -> list[list[int]]:
    known: dict[str, int] = {}
    return [[known.setdefault(word, len(known)) for word in words(text)] for text in texts]


TEXTS = [
    "Plain words, AND signs: a_b 42!",
    "“Größe” — ﬁne Straße… naïve",
    "日本語の文章です",
    "ภาษาไทย and English",
    "",
    " ",
    "?!",
    "emoji 🙂 in between",
    "a\tb\nc\u00a0d",
    "\uff21 full-width word: \uff57\uff4f\uff52\uff44 word",
]


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[::-1], [], [""], ["a"] * 3])
def test_words_are_those_of_a_regular_expression(texts):
    assert numbered(texts) == first_seen(texts)


@settings(deadline=None)
@given(st.lists(st.text(alphabet="aB_9 .,é日", max_size=12), max_size=8))
def test_words_of_any_text(texts):
    assert numbered(texts) == first_seen(texts)


def test_the_table_of_words_grows():
    texts = [" ".join(f"x{i * 1000 + j}" for j in range(1000)) for i in range(FIRST_TABLE // 500)]
    starts, numbers, distinct = cut(pl.Series(texts))
    assert distinct == FIRST_TABLE // 500 * 1000
    assert np.array_equal(numbers, np.arange(distinct))
    assert starts[-1] == distinct


def test_a_slice_of_a_series_is_cut_like_a_whole_one():
    whole = pl.Series(TEXTS)
    assert cut(whole[3:8]).numbers.tolist() == cut(pl.Series(TEXTS[3:8])).numbers.tolist()


@settings(deadline=None)
@given(corpora)
def test_similarities_are_those_of_tf_idf_written_out(texts):
    ours, plain = as_dicts(vectorise(pl.Series(texts))), tfidf(texts)
    for i, a in enumerate(ours):
        assert list(a) == sorted(a)
        assert len(a) == len(plain[i])
        for j, b in enumerate(ours):
            assert similarity(a, b) == pytest.approx(similarity(plain[i], plain[j]), abs=1e-5)


@settings(deadline=None)
@given(corpora)
def test_the_rarest_term_comes_first_and_the_index_holds_the_same_entries(texts):
    vectors = vectorise(pl.Series(texts))
    assert np.array_equal(np.bincount(vectors.terms, minlength=len(vectors.frequency)), vectors.frequency)
    assert (np.diff(vectors.frequency) >= 0).all()
    postings = invert(vectors)
    by_term = {
        (int(postings.texts[e]), term, float(postings.weights[e]))
        for term in range(len(vectors.frequency))
        for e in range(postings.starts[term], postings.starts[term + 1])
    }
    by_text = {(i, t, w) for i, vector in enumerate(as_dicts(vectors)) for t, w in vector.items()}
    assert by_term == by_text


def test_what_all_texts_share_does_not_count():
    own = [f"one{i % 3} two{i % 4} three" for i in range(12)]
    template = "The same words stand before every message: "
    with_template, without = (as_dicts(vectorise(pl.Series(t))) for t in ([template + o for o in own], own))
    assert [list(v.values()) for v in with_template] == [list(v.values()) for v in without]
