"""Verdicts: a score only when scored; the key of the cache; the frame."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.verdict import Item, Verdict, content_key

STATES = ["scored", "unparsable", "refused", "truncated", "failed"]
ITEM = Item("t1", [{"role": "user", "content": "hi"}], "hello", None)


@settings(deadline=None)
@given(st.sampled_from(STATES), st.none() | st.floats() | st.sampled_from([0.0, 1.0]))
def test_there_is_a_score_exactly_when_scored(state, score):
    sound = score is not None and math.isfinite(score) and 0 <= score <= 1
    if sound if state == "scored" else score is None:
        assert Verdict("t1", "j", 0, state, score).score == score
    else:
        with pytest.raises(ValueError, match="score"):
            Verdict("t1", "j", 0, state, score)


@pytest.mark.parametrize("state", STATES[1:])
def test_criteria_are_scores_too(state):
    with pytest.raises(ValueError, match="no score"):
        Verdict("t1", "j", 0, state, None, {"answer": 0.5})


def test_a_criterion_out_of_range_is_refused():
    with pytest.raises(ValueError, match="0 to 1"):
        Verdict("t1", "j", 0, "scored", 0.5, {"answer": math.nan})


def test_the_key_covers_content_judge_and_repeat_but_not_the_id():
    key = content_key(ITEM, "j", 0)
    assert len(key) == 64
    assert key == content_key(Item("t2", ITEM.messages, "hello", None), "j", 0)
    others = [
        content_key(ITEM, "k", 0),
        content_key(ITEM, "j", 1),
        content_key(Item("t1", ITEM.messages, "hello", "hello"), "j", 0),
        content_key(Item("t1", ITEM.messages, "hello", ""), "j", 0),
        content_key(Item("t1", ITEM.messages, "", None), "j", 0),
        content_key(Item("t1", [], "hello", None), "j", 0),
    ]
    assert len({key, *others}) == 7


def test_the_key_takes_any_text():
    assert content_key(Item("t", [], "\ud83d", "日本\x00"), "j", 0)


def test_importing_the_room_loads_neither_polars_nor_the_sdk():
    code = "import judge.verdict, judge.run, judge.reference, judge.correct, sys; "
    code += "print([name for name in ('polars', 'anthropic') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
