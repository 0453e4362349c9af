"""Reading replies: whatever the bytes, a verdict comes out, and a score only when it is scored."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from judge.anthropic_reply import Grader, read_reply
from judge.prices import PRICES
from judge.rubric import load_rubric

RUBRIC = load_rubric(Path(__file__).parents[2] / "resources" / "rubrics" / "helpfulness.toml")
GRADER = Grader(RUBRIC, "j", "claude-haiku-5-5", PRICES)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
grade = st.integers(0, 5) | st.sampled_from(["4", 4.0, True, None, 10**40])
reply = st.fixed_dictionaries(
    {},
    optional={
        "feedback": st.text(max_size=8) | anything,
        "grades": st.fixed_dictionaries({"relevance": grade, "helpfulness": grade, "accuracy": grade})
        | anything,
    },
).map(json.dumps)
block = st.fixed_dictionaries({"type": st.sampled_from(["text", "thinking"]), "text": reply | st.text()})
body = st.fixed_dictionaries(
    {
        "content": st.lists(block, min_size=1, max_size=2) | anything,
        "stop_reason": st.sampled_from(["end_turn", "max_tokens", "refusal"]) | anything,
    },
    optional={
        "usage": st.fixed_dictionaries({"input_tokens": st.integers(0, 10**7), "output_tokens": st.just(5)})
        | anything,
        "stop_details": anything,
    },
)


@settings(deadline=None)
@given(body.map(json.dumps).map(str.encode) | st.binary() | anything.map(json.dumps).map(str.encode))
def test_no_reply_crashes_or_scores_without_grades(raw):
    verdict = read_reply(raw, "t1", GRADER)
    assert (verdict.score is not None) is (verdict.state == "scored")
    assert bool(verdict.criteria) is (verdict.state == "scored")
    assert verdict.raw or not raw


@settings(deadline=None)
@given(st.tuples(grade, grade, grade))
def test_a_score_comes_from_valid_grades_only(chosen):
    names = [criterion.name for criterion in RUBRIC.criteria]
    text = json.dumps({"feedback": "f", "grades": dict(zip(names, chosen, strict=True))})
    content = [{"type": "text", "text": text}]
    verdict = read_reply(json.dumps({"content": content, "stop_reason": "end_turn"}).encode(), "t1", GRADER)
    valid = all(type(value) is int and 1 <= value <= 4 for value in chosen)
    assert (verdict.state == "scored") is valid
