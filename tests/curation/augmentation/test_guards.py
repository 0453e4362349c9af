"""Each guard refuses what it is for, names it, and lets an honest paraphrase through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.augmentation.guards import NOISE, PARAPHRASE, refused, similarity

OLD = "How do I send 250 euros to Anna in Berlin without paying a fee?"
GOOD = [
    "Is there a way to get 250 euros to Anna in Berlin without a fee?",
    "I want to send Anna in Berlin 250 euros, without a charge. How?",
    "hey, how can I send 250 euros to Anna (Berlin) without fees",
]
BAD = {
    "How do I send 250 euros to Anna in Berlin without paying a fee??": "copy",
    "how do i send  250 euros to Anna in Berlin without paying a fee": "copy",
    "": "copy",
    "My cat sleeps all day long.": "off topic",
    "What is the way to send 350 euros to Anna in Berlin without a fee?": "numbers",
    "What is the way to send euros to Anna in Berlin without a fee?": "numbers",
    "Can I send 250 euros to Anna in Berlin while paying some fee?": "negation",
    "Is there no way to send 250 euros to Anna in Berlin without a fee?": "negation",
    "What is the way to send 250 euros to Anna without a fee?": "entities",
    "Can I send 250 euros to Anna in Berlin by PayPal without a fee?": "entities",
    "Can I send 250 euros to Anna in Berlin via https://pay.example without a fee?": "URLs",
    "Can I `send` 250 euros to Anna in Berlin without a fee?": "code",
}


@pytest.mark.parametrize("new", GOOD)
def test_an_honest_paraphrase_passes(new):
    assert refused(OLD, new, PARAPHRASE) is None


@pytest.mark.parametrize("new", BAD)
def test_a_bad_one_is_refused_by_the_guard_it_is_for(new):
    assert refused(OLD, new, PARAPHRASE) == BAD[new]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Mail ada@example.org about the plan today", "Write ada@example.com about the plan today", "URLs"),
        ("Please run `rm -rf x` in the old folder", "Please run `rm -r x` in that old folder now", "code"),
        ("Write to [EMAIL] about all of it", "Do write to [email] about all of it", "code"),
        ("I don't want this dish in my kitchen", "I want this dish in my own kitchen", "negation"),
        ("I do not want this dish in my kitchen", "I don't want that dish in my kitchen", None),
        ("what should I see in rome", "what should I see in Rome", "copy"),
        ("Should I go to Rome or Pisa first", "Rome or Pisa, where do I go first", None),
    ],
)
def test_what_carries_the_label(old, new, reason):
    assert refused(old, new, PARAPHRASE._replace(highest=0.95)) == reason


@given(st.text(max_size=40))
def test_a_text_is_never_its_own_child(text):
    assert refused(text, text, NOISE) == "copy"
    assert similarity(text, text) == pytest.approx(1.0)


@given(st.text(max_size=40), st.text(max_size=40))
def test_similarity_is_symmetric_and_between_0_and_1(a, b):
    assert 0 <= similarity(a, b) == similarity(b, a) <= 1


def test_a_long_word_is_no_trouble():
    word = "a" * 300_000
    assert refused(f"{word} and more", f"{word} and some more", PARAPHRASE._replace(highest=1.0)) is None
