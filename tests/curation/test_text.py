"""What text is compared by: words, shingles, and what counts as shared text."""

from __future__ import annotations

import random

import pytest

from curation.near import similar_pairs
from curation.text import shingle, words

POLICY = "You are a guard and you must say whether the message below is harmful in any way at all"


def prose(rng: random.Random, length: int = 10) -> str:
    return " ".join(
        f"{rng.choice('bcdfghklm')}{rng.choice('aeiou')}{rng.randrange(300)}" for _ in range(length)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("ﬁne \uff37ord", ["fine", "word"]),
        ("don't stop", ["don", "t", "stop"]),
        ("", []),
        ("   ", []),
        ("春が来た。", ["春", "が", "来", "た"]),
        ("ｶﾀｶﾅ", ["カ", "タ", "カ", "ナ"]),
        ("สวัส", ["ส", "ว", "ส"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("😀 😡", ["😀", "😡"]),
        ("<", ["<"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_shared_text_is_taken_out_and_the_rest_is_compared():
    rng = random.Random(1)
    own = [prose(rng) for _ in range(40)]
    cut = shingle([f"{POLICY}. {text}" for text in own])
    assert cut.templates >= len(words(POLICY)) - 2
    assert all(cut.comparable)
    assert cut.residual == own
    assert len(similar_pairs([f"{POLICY}. {text}" for text in own], 0.2).left) == 0


def test_text_of_too_few_rows_is_not_shared_text():
    rng = random.Random(2)
    assert shingle([f"{POLICY}. {prose(rng)}" for _ in range(19)]).templates == 0
    rows = [f"{POLICY}. {prose(rng)}" for _ in range(30)] + [prose(rng) for _ in range(600)]
    assert shingle(rows).templates == 0


def test_one_text_many_times_is_no_template():
    cut = shingle([POLICY] * 30)
    assert cut.templates == 0
    assert len(similar_pairs([POLICY] * 30, 0.8).left) == 30 * 29 // 2


def test_a_held_out_item_is_no_template_however_many_rows_copy_it():
    rng = random.Random(3)
    copies = [f"{prose(rng, 4)} {POLICY}" for _ in range(30)]
    assert shingle([*copies, POLICY]).templates > 0
    assert shingle([*copies, POLICY], items=1).templates == 0


def test_a_policy_of_rows_and_items_is_still_a_template():
    rng = random.Random(4)
    texts = [f"{POLICY}. {prose(rng)}" for _ in range(40)]
    assert shingle(texts, items=3).templates == shingle(texts).templates > 0


@pytest.mark.parametrize(
    ("text", "comparable"),
    [
        ("", False),
        ("one two", False),
        ("one two three", True),
        ("春が来", False),
        ("春が来た。今日", True),
        ("ｶﾀｶﾅ", False),
        ("😀", False),
    ],
)
def test_short_texts_are_compared_as_a_whole(text, comparable):
    assert shingle([text, "four other words here"]).comparable.tolist() == [comparable, True]


def test_the_same_words_in_another_width_have_the_same_shingles():
    wide, narrow = "カタカナモジノブンショウ", "ｶﾀｶﾅﾓｼﾞﾉﾌﾞﾝｼｮｳ"
    assert similar_pairs([wide, narrow], 1.0).similarity.tolist() == [1.0]


def test_no_texts_at_all():
    cut = shingle([])
    assert cut.sets.shape == (0, 0)
    assert len(similar_pairs([], 0.8).left) == 0
