"""Corrections: from a reference, screened, and only where an answer is known to be bad."""

from __future__ import annotations

import pytest

from judge.correct import correctable, format_screen, from_reference
from judge.verdict import Item, Verdict

PROMPT = "Is it safe to pat a strange dog? Answer with one word."
ITEM = Item("t1", [{"role": "user", "content": PROMPT}], "safe", "unsafe\nS1")
LOW = Verdict("t1", "j", 0, "scored", 0.0)
FORM = r"safe|unsafe\nS\d(,S\d)*"


@pytest.mark.parametrize(
    ("state", "score", "expected"),
    [
        ("scored", 0.0, True),
        ("scored", 0.49, True),
        ("scored", 0.5, False),
        ("scored", 1.0, False),
        ("refused", None, False),
        ("failed", None, False),
        ("unparsable", None, False),
        ("truncated", None, False),
    ],
)
def test_only_a_low_score_is_correctable(state, score, expected):
    assert correctable(Verdict("t1", "j", 0, state, score), 0.5) is expected


def test_a_reference_that_passes_is_accepted():
    correction = from_reference(ITEM, LOW, [format_screen(FORM)])
    assert (correction.trace_id, correction.output, correction.author) == ("t1", "unsafe\nS1", "reference")
    assert (correction.state, correction.reason) == ("accepted", "")


@pytest.mark.parametrize(
    ("output", "reference", "reason"),
    [
        ("safe", None, "no reference"),
        ("safe", "safe\n", "says the same"),
        ("safe", " \n", "is empty"),
        ("safe", PROMPT, "echoes the prompt"),
        ("safe", f"  {PROMPT.upper()} safe", "echoes the prompt"),
        ("safe", "Unsafe - this is about crime.", "does not have the form"),
        ("safe", "unsafe\nS1 and more", "does not have the form"),
    ],
)
def test_what_is_unfit_is_rejected_with_its_reason(output, reference, reason):
    item = Item("t1", ITEM.messages, output, reference)
    correction = from_reference(item, LOW, [format_screen(FORM)])
    assert correction.state == "rejected"
    assert reason in correction.reason


def test_a_line_break_is_a_difference():
    item = Item("t1", ITEM.messages, "unsafe S1", "unsafe\nS1")
    assert from_reference(item, LOW, []).state == "accepted"


def test_an_answer_that_was_not_judged_is_not_corrected():
    correction = from_reference(ITEM, Verdict("t1", "j", 0, "refused"), [])
    assert correction.state == "rejected"
    assert "refused" in correction.reason


def test_the_first_objecting_screen_gives_the_reason():
    asked: list[str] = []

    def screen(name: str, reason: str | None):
        return lambda item, output: asked.append(name) or reason

    screens = [screen("a", None), screen("b", "held out"), screen("c", "pii")]
    assert from_reference(ITEM, LOW, screens).reason == "held out"
    assert asked == ["a", "b"]


def test_a_verdict_on_another_item_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="t2"):
        from_reference(ITEM, Verdict("t2", "j", 0, "scored", 0.0), [])


def test_a_short_prompt_may_begin_the_answer():
    screen = format_screen()
    assert (
        screen(Item("t", [{"role": "user", "content": "Paris?"}], "", None), "Paris? Yes, in France.") is None
    )
