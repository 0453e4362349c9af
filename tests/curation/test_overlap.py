"""A run of an item's words is found wherever it stands, one place edited or not, and nothing else is."""

from __future__ import annotations

import random
import re
import unicodedata

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.compared import TURN
from curation.overlap import GAPS, RUN, SHORTEST, overlaps
from curation.phrases import phrases

WORD = st.sampled_from(["a", "be", "see", "dé", "Ö", "x1", "x_2", "It's"])
TEXT = st.lists(WORD, max_size=12).map(" ".join)


def words(text):
    return re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).lower()).split()


def whole(items):
    """Items whose words are all their own."""
    return phrases(pl.Series(items, dtype=pl.String), [[(word, True) for word in words(i)] for i in items])


def found(texts, items, run=RUN):
    texts = pl.Series(texts, dtype=pl.String)
    return overlaps(texts, texts, whole(items), run)


def holds(text, item, run):
    size = min(run, len(item))
    grams = [item[i : i + size] for i in range(len(item) - size + 1)]
    return any(text[i : i + size] in grams for i in range(len(text) - size + 1))


def edited(text, item, run):
    """Whether two runs stand in both in a row, with no more than two other words between them in each."""
    for i in range(len(item)):
        for k in range(1, run):
            first, places = item[i : i + k], range(len(text) - k + 1)
            for at in (n for n in places if len(first) == k and text[n : n + k] == first):
                for a, b in GAPS:
                    rest = item[i + k + b : i + b + run]
                    if len(rest) == run - k and text[at + k + a : at + a + run] == rest:
                        return True
    return False


@given(st.lists(TEXT, min_size=1, max_size=6), st.lists(TEXT, max_size=4), st.integers(SHORTEST, 10))
@settings(deadline=None, max_examples=100)
def test_the_texts_found_are_those_of_a_plain_search(texts, items, run):
    finds = found(texts, items, run)
    own = [words(item) for item in items]
    for number, text in enumerate(texts):
        inside = any(len(i) >= SHORTEST and holds(words(text), i, run) for i in own)
        alone = any(0 < len(i) < SHORTEST and i == words(text) for i in own)
        assert (number in finds) == (inside or alone)
    for number, (item, shared, _) in finds.items():
        assert f" {shared} " in f" {' '.join(words(texts[number]))} "
        assert f" {shared} " in f" {' '.join(own[item])} "


FEW = st.lists(st.sampled_from(["a", "be", "see"]), min_size=13, max_size=24)


@given(FEW, FEW, st.data())
@settings(deadline=None, max_examples=100)
def test_one_edited_place_is_found_as_a_plain_search_finds_it(text, item, data):
    if data.draw(st.booleans()):
        at, (a, b) = data.draw(st.integers(0, len(item))), data.draw(st.sampled_from([*GAPS, (3, 3)]))
        text = [*text[:3], *item[:at], *["other"] * a, *item[at + b :], *text[:3]]
    finds = found([" ".join(text)], [" ".join(item)])
    assert bool(finds) == (holds(text, item, RUN) or edited(text, item, RUN))


@pytest.mark.parametrize("length", range(14, 27))
def test_any_word_of_an_item_may_be_changed_dropped_or_added(length):
    item = [f"w{n}" for n in range(length)]
    for place in range(length):
        for instead in (["other"], [], [item[place], "more"]):
            text = ["before", *item[:place], *instead, *item[place + 1 :], "behind"]
            assert 0 in found([" ".join(text)], [" ".join(item)])


def test_a_prompt_inside_an_answer_case_and_punctuation_aside():
    item = "Which metal is liquid at room temperature and pressure?"
    held = "He asked: which METAL is liquid, at room temperature -- and pressure? Mercury."
    finds = found([held, "Which metal is liquid?"], [item])
    assert finds == {0: (0, "which metal is liquid at room temperature and pressure", False)}


def test_a_few_words_count_where_they_stand_alone():
    item = ["Why, Python?"]
    alone = [
        "why python",
        "**Why Python?**",
        f"Hello{TURN}Why Python",
        "Well. Why Python? Tell me.",
        "a\nWhy Python",
    ]
    assert sorted(found(alone, item)) == list(range(len(alone)))
    assert found(["So why Python and not C?", "Why? Python!", "python, why?"], item).keys() <= {1}


def test_no_item_finds_nothing():
    assert found(["What is it? Yes."], []) == {}
    assert found(["What is it? Yes.", ""], ["", "?"]) == {}


CHINESE = "请用一段话解释为什么海洋的潮汐会跟随月亮而不仅仅是太阳并且说明潮汐对沿海城市的影响"
THAI = "กรุณาอธิบายว่าทำไมน้ำขึ้นน้ำลงจึงเป็นไปตามดวงจันทร์และไม่ใช่ดวงอาทิตย์เพียงอย่างเดียว"


@pytest.mark.parametrize("item", [CHINESE, THAI])
def test_scripts_without_spaces_are_compared_by_characters(item):
    inside = f"早上好。{item[:20]}、{item[20:]}。谢谢 thanks"
    part = f"ok {item[3:20]} ok"
    finds = found([inside, part], [item])
    assert list(finds) == [0]


def test_an_underscore_joins_the_words_of_a_name_and_not_those_of_a_sentence():
    asked = "how many legs has a spider if it lost two of them"
    assert found([asked.replace(" ", "_"), "what_is_your_name"], [asked, "What is your name?"]).keys() == {0}


def test_the_frame_that_items_share_weighs_nothing():
    rng = random.Random(4)
    own = [" ".join(f"{rng.choice('bcdf')}{rng.randrange(9999)}" for _ in range(14)) for _ in range(2)]
    frame = "answer the question below with one of these letters and give no other text"
    items = [" ".join([*text.split()[:7], frame, *text.split()[7:]]) for text in own]
    marked = [[(word, word not in frame.split()) for word in item.split()] for item in items]
    texts = pl.Series([f"so {items[1]} then", f"so {frame} then", own[0]])
    assert list(overlaps(texts, texts, phrases(pl.Series(items), marked))) == [0]
