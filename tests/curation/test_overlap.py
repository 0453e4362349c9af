"""A run of an item's words is found wherever it stands, and nothing else is."""

from __future__ import annotations

import re
import unicodedata

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.overlap import SHORTEST, overlaps

WORD = st.sampled_from(["a", "be", "see", "dé", "Ö", "x1", "漢字", "It's"])
TEXT = st.lists(WORD, max_size=12).map(" ".join)


def words(text):
    return re.sub(r"[^\w]+", " ", unicodedata.normalize("NFKC", text).lower()).split()


def plainly(texts, items, run):
    found = []
    for number, text in enumerate(map(words, texts)):
        for item in items:
            own = words(item)
            size = min(run, len(own))
            grams = [own[i : i + size] for i in range(len(own) - size + 1)] if len(own) >= SHORTEST else []
            if any(text[i : i + size] in grams for i in range(len(text) - size + 1)):
                found.append(number)
                break
    return found


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, max_size=4), st.integers(SHORTEST, 8))
@settings(deadline=None, max_examples=500)
def test_the_texts_found_are_those_of_a_plain_search(texts, items, run):
    found = overlaps(pl.Series(texts), items, run)
    assert found["text"].to_list() == plainly(texts, items, run)
    for text, item, shared in found.rows():
        assert f" {shared} " in f" {' '.join(words(texts[text]))} "
        assert f" {shared} " in f" {' '.join(words(items[item]))} "


def test_a_prompt_inside_an_answer_case_and_punctuation_aside():
    item = "Which metal is liquid at room temperature?"
    texts = ["He asked: which METAL is liquid, at room temperature -- and why?", "Which metal is liquid?"]
    assert overlaps(pl.Series(texts), [item]).rows() == [(0, 0, "which metal is liquid at room temperature")]


def test_no_item_and_short_items_find_nothing():
    assert overlaps(pl.Series(["What is it? Yes."]), []).is_empty()
    assert overlaps(pl.Series(["What is it? Yes."]), ["What is it?", ""]).is_empty()
