"""Mining: each rule where it must and must not fire, fields under any name, and no row without a reason."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.mine import Mine, mine
from curation.rows import DROPS, ROWS, frame, make_row

GOOD = "Open the settings, choose your account, and press reset."
FINE = {"rating": 5, "latency": 1.2, "edited": False}


def talk(answer: str = GOOD, line: int = 1, **meta: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": "How do I reset it?"}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="log", line=line, meta=json.dumps(meta))


def reason(row: dict[str, Any], **settings: Any) -> str | None:
    mined = mine(frame([row]), Mine(**settings))
    assert mined.rows.height + mined.drops.height == 1
    return next(iter(mined.drops["reason"]), None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"rating": 4}, None),
        ({"rating": 3.99}, "rating below 4"),
        ({"rating": "4.5"}, None),
        ({"rating": " 2 "}, "rating below 4"),
        ({"rating": "nan"}, "rating is no number"),
        ({"rating": "inf"}, "rating is no number"),
        ({"rating": "good"}, "rating is no number"),
        ({"rating": True}, "rating is no number"),
        ({"rating": [5]}, "rating is no number"),
        ({"rating": {"score": 5}}, "rating is no number"),
        ({"rating": None}, "rating missing"),
        ({"rating": ""}, "rating missing"),
        ({"latency": 4.999}, None),
        ({"latency": 5}, "latency of 5 s or more"),
        ({"latency": None}, None),
        ({"latency": None, "latency_ms": 4999}, None),
        ({"latency": None, "latency_ms": 5000}, "latency of 5 s or more"),
        ({"latency": 1, "latency_ms": 9000}, None),
        ({"latency": -1}, "latency is no time"),
        ({"latency": "fast"}, "latency is no time"),
        ({"latency": "NaN"}, "latency is no time"),
        ({"edited": True}, "edited by hand"),
        ({"edited": "True"}, "edited by hand"),
        ({"edited": 1}, "edited by hand"),
        ({"edited": "no"}, None),
        ({"edited": None}, None),
        ({"edited": "by Ada"}, "edited is neither true nor false"),
    ],
)
def test_each_rule_by_its_field(change, expected):
    assert reason(talk(**{**FINE, **change})) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("é" * 51, None),
        ("é" * 50, "answer of 50 characters or fewer"),
        (" " * 60 + "short", "answer of 50 characters or fewer"),
        (" \n ", "no answer"),
    ],
)
def test_the_answers_length_counts_characters_without_the_space_around(answer, expected):
    assert reason(talk(answer, **FINE)) == expected


def test_a_conversation_that_ends_with_the_user_has_no_answer():
    turns = [{"role": "assistant", "content": GOOD}, {"role": "user", "content": GOOD}]
    assert reason(make_row(turns, meta=json.dumps(FINE))) == "no answer"
    assert reason(make_row([], meta=json.dumps(FINE))) == "no answer"


def test_every_rule_is_a_setting():
    bare = talk()
    assert reason(bare) == "rating missing"
    assert reason(bare, missing_rating="keep") is None
    assert reason(bare, missing_rating="keep", missing_latency="drop") == "latency missing"
    assert reason(bare, missing_rating="keep", missing_edited="drop") == "edited missing"
    assert reason(talk(**{**FINE, "edited": True}), keep_edited=True) is None
    assert reason(talk(**{**FINE, "rating": 0.5}), min_rating=0.5) is None
    assert reason(talk(**{**FINE, "latency": 29}), max_latency=30) is None
    assert reason(talk("Yes.", **FINE), min_characters=3) is None


@pytest.mark.parametrize(
    ("meta", "name"),
    [
        ({"feedback": {"score": 5}}, "feedback.score"),
        ({"feedback.score": 5}, "feedback.score"),
        ({"user's own": 5}, "user's own"),
        ({"a-b": {"größe [x]": 5}}, "a-b.größe [x]"),
    ],
)
def test_a_field_is_found_under_its_whole_name_or_along_its_dots(meta, name):
    assert reason(talk(**meta), rating_field=name) is None
    low = json.loads(json.dumps(meta).replace("5", "1"))
    assert reason(talk(**low), rating_field=name) == "rating below 4"


@pytest.mark.parametrize("name", ["$", "..", "[", "]", "*", "'", "a..b", "@"])
def test_a_name_that_no_field_has_is_missing_and_no_crash(name):
    assert reason(talk(**FINE), rating_field=name) == "rating missing"


def test_a_drop_says_which_row_and_what_the_log_said():
    mined = mine(frame([talk(**FINE), talk(line=7, rating=2, latency=0.5)]), Mine())
    assert mined.drops.schema == DROPS
    (drop,) = mined.drops.to_dicts()
    assert (drop["source"], drop["line"], drop["step"]) == ("log", 7, "mine")
    assert drop["row_id"] == talk()["id"]
    assert drop["detail"] == "56 characters, rating 2, latency 0.5, edited missing"
    assert mined.dropped == {"rating below 4": 1}
    assert mined.missing == {"rating": 0, "latency": 0, "edited": 1}


def test_no_rows_give_no_rows():
    mined = mine(frame([]), Mine())
    assert (mined.rows.schema, mined.drops.schema, mined.dropped) == (ROWS, DROPS, {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_latency": 0},
        {"max_latency": float("nan")},
        {"min_characters": -1},
        {"rating_field": 'a"b'},
        {"edited_field": "a\\"},
        {"latency_field": ""},
    ],
)
def test_a_setting_out_of_range_is_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Mine)


anything = st.sampled_from(
    [None, True, False, "", "nan", "-inf", "x", "yes", " 4 ", 4, 4.5, 3, -1, 5e3, [], {}]
)
logged = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("rating", "latency", "latency_ms", "edited"), anything)
)


@given(st.lists(st.tuples(st.integers(0, 80), logged), max_size=12), st.sampled_from(["keep", "drop"]))
def test_rows_in_are_rows_kept_and_rows_dropped(logs, policy):
    rows = frame([talk("x" * n, line, **meta) for line, (n, meta) in enumerate(logs)])
    mined = mine(rows, Mine(missing_rating=policy, missing_latency=policy, missing_edited=policy))
    kept, gone = mined.rows["line"].to_list(), mined.drops["line"].to_list()
    assert sorted(kept + gone) == rows["line"].to_list()
    assert (kept, gone) == (sorted(kept), sorted(gone))
    assert mined.rows.equals(rows.filter(rows["line"].is_in(kept)))
    assert sum(mined.dropped.values()) == len(gone)
    assert mined.drops["reason"].null_count() == 0
