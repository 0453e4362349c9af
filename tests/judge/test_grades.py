"""Reading what a model said: whatever it is, a state comes out, and a score only of valid grades."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge import messages_api, openai_api
from judge.grader import Grader
from judge.grades import read_grades
from judge.prices import PRICES
from judge.rubric import load_rubric
from tests.judge.faults import TEXT

RUBRIC = load_rubric(Path(__file__).parents[2] / "resources" / "rubrics" / "helpfulness.toml")
GRADER = Grader("j", "claude-haiku-5-5", RUBRIC, PRICES, {"max_tokens": 100})

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
text = reply | st.text()
block = st.fixed_dictionaries({"type": st.sampled_from(["text", "thinking"]), "text": text})
messages = st.fixed_dictionaries(
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
choice = st.fixed_dictionaries(
    {
        "message": st.fixed_dictionaries({"content": text | anything}) | anything,
        "finish_reason": st.sampled_from(["stop", "length", "content_filter"]) | anything,
    }
)
completions = st.fixed_dictionaries(
    {"choices": st.lists(choice, max_size=2) | anything},
    optional={"usage": st.fixed_dictionaries({"prompt_tokens": st.integers(0, 10**7)}) | anything},
)
bodies = (messages | completions | anything).map(json.dumps).map(str.encode) | st.binary()


@settings(deadline=None)
@given(bodies, st.sampled_from([messages_api.read, openai_api.read]))
def test_no_reply_crashes_or_scores_without_grades(raw, read):
    verdict = GRADER.verdict("t1", read(raw))
    assert (verdict.score is not None) is (verdict.state == "scored")
    assert bool(verdict.criteria) is (verdict.state == "scored")
    assert verdict.feedback
    assert verdict.raw or not raw


@settings(deadline=None)
@given(st.tuples(grade, grade, grade), st.booleans())
def test_a_score_comes_from_valid_grades_only(chosen, fenced):
    names = [criterion.name for criterion in RUBRIC.criteria]
    said = json.dumps({"feedback": "f", "grades": dict(zip(names, chosen, strict=True))})
    state, _, criteria = read_grades(f"```json\n{said}\n```\n" if fenced else said, RUBRIC)
    valid = all(type(value) is int and 1 <= value <= 4 for value in chosen)
    assert (state == "scored") is valid
    assert len(criteria) == 3 * valid


@settings(deadline=None)
@given(st.text(min_size=1), st.text())
def test_nothing_may_stand_around_the_json(before, after):
    said = json.dumps({"feedback": "f", "grades": {"relevance": 4, "helpfulness": 4, "accuracy": 4}})
    around = (before + after).strip(" \t\r\n")
    state, *_ = read_grades(f"{before}{said}{after}", RUBRIC)
    assert state == ("unparsable" if around else "scored")


@pytest.mark.parametrize("thoughts", ["x</think>\n", "<think>x</think>", "\n so\n</think>\n\n"])
def test_thoughts_may_have_lost_their_beginning(thoughts, safety):
    assert read_grades(thoughts + TEXT, safety)[0] == "scored"


@pytest.mark.parametrize(
    "text", [f"{TEXT}</think>{TEXT}", f"```\n{TEXT}\n```</think>{TEXT}", f"x</think>{TEXT} so"]
)
def test_an_answer_before_the_end_of_thoughts_is_none(text, safety):
    assert read_grades(text, safety)[0] == "unparsable"
