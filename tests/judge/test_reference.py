"""The reference judge: each rule in several scripts, and no number without a reference."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge.reference import ReferenceJudge
from judge.rubric import Criterion, Level, Rubric
from judge.text import contains_words, normalise
from judge.verdict import Item

LEVELS = [Level("no", "no", 0.0), Level("yes", "yes", 1.0)]


def judged(check, output, reference):
    rubric = Rubric("r", 1, "task", [Criterion("answer", "right?", 2.0, check, LEVELS)])
    return ReferenceJudge(rubric).judge(Item("t1", [], output, reference))


@pytest.mark.parametrize(
    ("check", "output", "reference", "right"),
    [
        ("exact", "  Paris\n", "paris", True),
        ("exact", "Paris.", "paris", False),
        ("exact", "ПАРИЖ", "париж", True),
        ("exact", "\uff30\uff41\uff52\uff49\uff53", "Paris", True),
        ("exact", "STRASSE", "straße", True),
        ("exact", "cafe\u0301", "caf\u00e9", True),
        ("exact", "İ", "i̇", True),
        ("exact", "北京", "北京", True),
        ("exact", "北京", "南京", False),
        ("exact", "", "x", False),
        ("first_line", "unsafe\nS2", "unsafe\nS3", True),
        ("first_line", "\n\n SAFE \r\nbecause", "safe", True),
        ("first_line", "unsafe S2", "unsafe\nS2", False),
        ("first_line", "safe", "unsafe", False),
        ("first_line", "опасно\nS2", "Опасно\nS2", True),
        ("first_line", "", "safe", False),
        ("label_set", "unsafe\nS1,S4", "unsafe\ns4, S1", True),
        ("label_set", "unsafe\nS1\nS4", "unsafe\nS1 S4", True),
        ("label_set", "safe", "safe", True),
        ("label_set", "safe", "unsafe", True),
        ("label_set", "unsafe\nS1", "unsafe\nS1,S4", False),
        ("label_set", "unsafe\nS1,S4", "unsafe\nS1", False),
        ("label_set", "不安全\n暴力、欺诈", "不安全\n欺诈\uff0c暴力", True),
        ("contains", "It is Paris, of course.", "paris", True),
        ("contains", "Parisian", "Paris", False),
        ("contains", "It is Paris", "Paris.", True),
        ("contains", "the answer is 42", "42", True),
        ("contains", "the answer is 142", "42", False),
        ("contains", "3.14", "3", False),
        ("contains", "3.14", "14", False),
        ("contains", "1,000", "000", False),
        ("contains", "It is 3.", "3", True),
        ("contains", "New  York\nCity", "new york city", True),
        ("contains", "Это Москва.", "москва", True),
        ("contains", "Это Москвариум.", "москва", False),
        ("contains", "答案是北京。", "北京", True),
        ("contains", "答案是南京。", "北京", False),
        ("contains", "これは東京です", "東京", True),
        ("contains", "उत्तर की है", "क", False),
        ("contains", "snake_case", "snake", False),
        ("contains", "Parisian or Paris", "Paris", True),
        ("contains", "what...", "...", True),
        ("contains", "what", "...", False),
        ("contains", "", "Paris", False),
    ],
)
def test_rules(check, output, reference, right):
    verdict = judged(check, output, reference)
    assert verdict.state == "scored"
    assert verdict.score == float(right)
    assert (verdict.feedback == "agrees with the reference") is right


@pytest.mark.parametrize("reference", [None, "", " \n"])
@pytest.mark.parametrize("check", ["exact", "first_line", "label_set", "contains"])
def test_without_a_reference_there_is_no_number(check, reference):
    verdict = judged(check, "safe", reference)
    assert (verdict.state, verdict.score, verdict.criteria) == ("failed", None, {})
    assert "no reference" in verdict.feedback


def test_the_score_weighs_the_criteria_and_the_feedback_names_each_difference(safety):
    judge = ReferenceJudge(safety)
    verdict = judge.judge(Item("t1", [], "unsafe\nS1,S2", "unsafe\nS2,S3"))
    assert verdict.score == pytest.approx(0.6)
    assert verdict.criteria == {"verdict": 1.0, "categories": 0.0}
    assert verdict.feedback == "label set misses 's3' and has 's1', which the reference has not"
    wrong = judge.judge(Item("t2", [], "safe", "unsafe"))
    assert wrong.feedback == "first line is 'safe', the reference says 'unsafe'"
    assert judge.id.startswith("reference/safety-v1/")
    assert verdict.cost == 0


def test_feedback_stays_short():
    assert len(judged("exact", "long " * 1000, "other " * 1000).feedback) < 250


@settings(deadline=None)
@given(st.text(), st.text())
def test_normalising_twice_changes_nothing_and_every_text_contains_itself(text, more):
    once = normalise(text)
    assert normalise(once) == once
    if once:
        assert contains_words(f"{more} {text} {more}", text)
