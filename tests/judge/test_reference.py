"""The reference judge: each rule in several scripts, and no number without a reference."""

from __future__ import annotations

import json
import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judge import reference
from judge.numbers import last_number
from judge.reference import ReferenceJudge
from judge.rubric import Criterion, Level, Rubric
from judge.rules import RULES
from judge.text import normalise, places
from judge.verdict import Item

LEVELS = [Level("no", "no", 0.0), Level("yes", "yes", 1.0)]


def judged(check, output, reference, **fields):
    rubric = Rubric("r", 1, "task", [Criterion("answer", "right?", 2.0, check, LEVELS, **fields)])
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
        ("numeric", "1 000 000", "1000000", True),
        ("numeric", "It is -12 500.", "-12500", True),
        ("numeric", "1 000 000,5", "1000000.5", True),
        ("numeric", "10\n200", "200", True),
        ("numeric", "in 2020 500", "500", True),
        ("numeric", "1 125/1000", "1.125", True),
        ("numeric", r"\frac{1}{2}", "0.5", True),
        ("numeric", r"-\dfrac{ 1 }{2}", "-0.5", True),
        ("numeric", r"\boxed{1\frac{1}{2}}", "1.5", True),
        ("numeric", r"x = \frac12", "0.5", True),
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
        ("contains", "It is -5.", "5", False),
        ("contains", "x=\u22125", "5", False),
        ("contains", "It is -5.", "-5", True),
        ("contains", "from 3-5", "5", True),
        ("contains", "5/8", "5", False),
        ("contains", "5/8", "8", False),
        ("contains", "5^2", "5", False),
        ("contains", "5^2", "2", False),
        ("contains", "5**2", "2", False),
        ("contains", "**5**", "5", True),
        ("contains", "C++", "C", False),
        ("contains", "C#", "C", False),
        ("contains", "C++ or C", "C", True),
        ("contains", "C++.", "C++", True),
        ("contains", "and/or", "or", True),
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
        ("contains", "not Paris", "Paris", False),
        ("contains", "It is not Paris.", "Paris", False),
        ("contains", "It isn\u2019t Paris", "Paris", False),
        ("contains", "I do not think that it is Paris", "Paris", False),
        ("contains", "I don't think it is Paris", "Paris", False),
        ("contains", "Paris is not the capital", "Paris", False),
        ("contains", "Paris isn't it", "Paris", False),
        ("contains", "No, it is Paris.", "Paris", True),
        ("contains", "It is not Lyon but Paris", "Paris", True),
        ("contains", "Not Lyon, Paris", "Paris", True),
        ("contains", "Paris, not Lyon", "Paris", True),
        ("contains", "Not only Paris has one", "Paris", True),
        ("contains", "It is not Paris. Or is it? Paris!", "Paris", True),
        ("contains", "nicht Paris", "Paris", False),
        ("contains", "ce n'est pas Paris", "Paris", False),
        ("contains", "не Париж", "Париж", False),
        ("contains", "答案不是北京", "北京", False),
        ("contains", "北京ではない", "北京", False),
        ("contains", "This is not safe", "safe", False),
        ("contains", "not-safe", "safe", False),
        ("contains", "It is not safe.", "not safe", True),
        ("contains", "safe", "not safe", False),
        ("contains", 'Is it "safe"? No.', "safe", False),
        ("contains", "safe: yes", "safe", True),
        ("contains", "safe = false", "safe", False),
        ("contains", "hardly safe", "safe", False),
        ("contains", "anything but safe", "safe", False),
        ("contains", "It is Rome instead of Paris", "Paris", False),
        ("contains", "It is not the case that its capital is Paris", "Paris", False),
        ("contains", "Paris would be wrong", "Paris", False),
        ("contains", "Paris: not Rome", "Paris", True),
        ("contains", "Without a doubt Paris", "Paris", True),
        ("contains", "Don't worry, or do not worry it is Paris", "Paris", True),
        ("numeric", "The answer is 42.", "42", True),
        ("numeric", "3 + 4 = 7", "7", True),
        ("numeric", "7 or 8", "7", False),
        ("numeric", "1,234.5", "1234.5", True),
        ("numeric", "3,14", "3.14", True),
        ("numeric", "\u22125", "-5", True),
        ("numeric", "1e3", "1000", True),
        ("numeric", "none", "7", False),
        ("numeric", "version 1.2.3", "1", False),
        ("numeric", "1.234,5", "1234.5", True),
        ("numeric", "1.234.567", "1234567", True),
        ("numeric", "12,34,567", "1234567", True),
        ("numeric", "1'234", "1234", True),
        ("numeric", "1\u202f234\u00a0567", "1234567", True),
        ("numeric", "0,123", "0.123", True),
        ("numeric", "3\u00a0fois 5\u00a07", "7", True),
        ("numeric", "+.5", "0.5", True),
        ("numeric", "1.5 \u00d7 10^3 m", "1500", True),
        ("numeric", "1.5\u00b710\u00b3", "1500", True),
        ("numeric", "1.5x10^-3", "0.0015", True),
        ("numeric", "2^10", "1024", True),
        ("numeric", "\u00bd", "0.5", True),
        ("numeric", "1\u00bd", "1.5", True),
        ("numeric", "1 3/4", "1.75", True),
        ("numeric", "-3/4", "-0.75", True),
        ("numeric", "1/0", "0", False),
        ("numeric", "on 1/2/2024", "2024", False),
        ("numeric", "42 m\u00b2", "42", True),
        ("numeric", "42 m^2", "42", True),
        ("numeric", "5km", "5", True),
        ("numeric", "**42**", "42", True),
        ("numeric", "\u0664\u0662", "42", True),
        ("numeric", "\u0663\u066b\u0661\u0664", "3.14", True),
        ("regex", "AB-12", "[A-Z]{2}-[0-9]{2}", True),
        ("regex", "AB-12 or so", "[A-Z]{2}-[0-9]{2}", False),
        ("json_schema", '{"a": 1}', '{"type": "object", "required": ["a"]}', True),
        ("json_schema", '{"b": 1}', '{"type": "object", "required": ["a"]}', False),
        ("json_schema", 'Sure: {"a": 1}', '{"type": "object"}', False),
        ("json_schema", '{"a": NaN}', '{"type": "object"}', False),
        ("json_schema", '{"a": 1, "a": 2}', '{"type": "object"}', False),
        ("json_schema", "[" * 100_000, '{"type": "object"}', False),
        ("similarity", "the cat sat", "The cat sat!", True),
    ],
)
def test_rules(check, output, reference, right):
    verdict = judged(check, output, reference)
    assert verdict.state == "scored"
    assert verdict.score == float(right)
    assert (verdict.feedback == "agrees with the reference") is right


@pytest.mark.parametrize("reference", [None, "", " \n"])
@pytest.mark.parametrize("check", [check for check in RULES if check != "one_of"])
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
    assert judge.identity.id.startswith("reference/safety-v1/")
    assert verdict.cost == 0


@pytest.mark.parametrize(
    ("check", "output", "fields", "right"),
    [
        ("one_of", " Yes\n", {"labels": ["yes", "no"]}, True),
        ("one_of", "yes, or no", {"labels": ["yes", "no"]}, False),
        ("regex", "unsafe\nS1", {"pattern": r"safe|unsafe\nS\d"}, True),
        ("json_schema", "{}", {"schema": {"type": "object"}}, True),
        ("json_schema", "3", {"schema": {"type": "object"}}, False),
    ],
)
def test_a_form_that_the_rubric_gives_needs_no_reference(check, output, fields, right):
    assert judged(check, output, None, **fields).score == float(right)


@pytest.mark.parametrize(
    ("output", "reference", "fields", "right"),
    [
        ("0.3", "0.1", {"tolerance": 0.2}, True),
        ("0.31", "0.1", {"tolerance": 0.2}, False),
        ("105", "100", {"relative": 0.05}, True),
        ("106", "100", {"relative": 0.05}, False),
        ("-95", "-100", {"relative": 0.05}, True),
    ],
)
def test_numbers_within_a_tolerance(output, reference, fields, right):
    assert judged("numeric", output, reference, **fields).score == float(right)


@pytest.mark.parametrize(
    ("check", "reference"),
    [("regex", "("), ("json_schema", "no JSON"), ("json_schema", '{"type": 3}'), ("numeric", "x")],
)
def test_a_reference_that_the_rule_cannot_use_is_no_verdict_on_the_answer(check, reference):
    verdict = judged(check, "{}", reference)
    assert (verdict.state, verdict.score) == ("failed", None)
    assert "the reference" in verdict.feedback


def test_similarity_is_a_share():
    assert judged("similarity", "a b c", "a b d").score == pytest.approx(2 / 3)


def test_feedback_stays_short():
    assert len(judged("exact", "long " * 1000, "other " * 1000).feedback) < 250


@settings(deadline=None)
@given(st.text(), st.text())
def test_normalising_twice_changes_nothing_and_every_text_contains_itself(text, more):
    once = normalise(text)
    assert normalise(once) == once
    if once:
        assert any(places(f"{more} {text} {more}", text))


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["{}", "It is {}.", "({})", "a 1, b {}"]),
)
def test_a_number_is_read_as_it_was_written(number, around):
    assert last_number(around.format(number)) == number


@given(st.text("0123456789.,'/^*x-+e \u00bd\u00b3\u00d7", max_size=20))
def test_no_text_is_too_odd_to_look_for_a_number(text):
    assert not isinstance(last_number(text), complex)


@pytest.mark.parametrize(
    ("check", "output", "fields"),
    [
        ("regex", "a" * 40 + "!", {"pattern": "(a+)+"}),
        ("json_schema", json.dumps("a" * 40 + "!"), {"schema": {"pattern": "^(a+)+$"}}),
    ],
)
def test_a_pattern_without_end_is_a_state(check, output, fields, monkeypatch):
    monkeypatch.setattr(reference, "LIMIT_S", 0.05)
    verdict = judged(check, output, None, **fields)
    assert (verdict.state, verdict.score) == ("failed", None)
    assert "more than 0.05 s" in verdict.feedback
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_phrase_that_stands_everywhere_is_looked_for_in_time():
    assert judged("contains", "not safe " * 20_000, "safe").score == 0


@pytest.mark.parametrize("said", ["1e999", "1" * 400])
def test_a_number_beyond_all_numbers_agrees_with_nothing(said):
    assert judged("numeric", said, "5").score == 0
    assert judged("numeric", "5", said).state == "failed"


@pytest.mark.parametrize(
    "schema",
    ['{"$ref": "http://127.0.0.1:9/x"}', '{"$ref": "#"}', '{"$ref": "#/nope"}', "5", '{"$schema": 5}'],
)
def test_a_schema_that_says_nothing_is_no_score_and_fetches_nothing(schema):
    assert judged("json_schema", "{}", schema).state == "failed"


@pytest.mark.parametrize("price", ["1e400", "-1e400", "1" * 400])
def test_no_number_in_an_answer_stops_the_run(price):
    schema = '{"properties": {"price": {"multipleOf": 0.01}}}'
    verdict = judged("json_schema", f'{{"price": {price}}}', schema)
    assert (verdict.state, verdict.score) == ("scored", 0)


def test_whatever_a_rule_raises_is_a_state_of_that_item(monkeypatch):
    monkeypatch.setitem(RULES, "exact", lambda *given: 1 / len(given[1]))
    verdict = judged("exact", "", "x")
    assert verdict.state == "failed"
    assert "ZeroDivisionError" in verdict.feedback


@pytest.mark.parametrize("answer", ["[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300])
def test_an_answer_cannot_choose_to_have_no_score(answer):
    schema = '{"items": {"$ref": "#"}, "additionalProperties": {"$ref": "#"}}'
    verdict = judged("json_schema", answer, schema)
    assert (verdict.state, verdict.score) == ("scored", 0)


def test_an_odd_pattern_warns_nobody(recwarn):
    assert judged("regex", "a", "", pattern="[[a-b]").score == 1
    assert judged("json_schema", '"a"', '{"pattern": "[[a-c]"}').score == 1
    assert not list(recwarn)
