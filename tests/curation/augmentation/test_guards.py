"""Each guard refuses what it is for, names it, and lets an honest paraphrase through."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.augmentation.guards import NOISE, PARAPHRASE, refused, similarity
from curation.augmentation.noise import noise
from curation.augmentation.quantities import quantities

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


NUMBERS = [
    ("Is it warmer than -5 outside today?", "Is it warmer today outside than 5?"),
    ("Add .5 of a cup to the bowl", "Put 5 of a cup in that bowl"),
    ("Multiply it by 2e3 and tell me", "Tell me what it is when multiplied by 2e4"),
    ("May I take 5 mg of it each day?", "Could I be taking 5 g of it every day?"),
    ("How do I get from 3 to 9 with one sum", "What is one sum that takes me from 9 to 3"),
    ("Can three of us share a room", "Could four of us share some room"),
    ("I paid $20 for this old lamp", "I have paid 20 pounds for that lamp"),
]


@pytest.mark.parametrize(("old", "new"), NUMBERS)
def test_a_number_is_its_sign_its_places_its_unit_and_its_order(old, new):
    assert refused(old, new, PARAPHRASE) == "numbers"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("I paid 1,000 dollars for it, was that much?", "Was $1000 much? I paid that for it"),
        ("Take .5 mg or 5 grams?", "Is it 0.5 milligrams or 5g to take?"),
        ("What may three people earn in a 5-day week", "How much can 3 people earn in weeks of 5 days"),
        ("See the page (https://example.org/a) and explain", "Please explain https://example.org/a to me"),
        ("Who rules France's parliament today", "Today, who rules the parliament of France"),
        ("Read setup.py and tell me what it does", 'What does "setup.py" do? Read and tell me'),
        ("NASA sent it up in 1998", "In 1998 it was sent up by NASA"),
    ],
)
def test_another_way_to_write_it_is_no_other_thing(old, new):
    assert refused(old, new, PARAPHRASE) is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Is example.com a safe page to visit", "Is example.org safe, can I visit that page", "URLs"),
        ("Please open report.pdf and sum it up", "Open report2.pdf please, and sum that up", "URLs"),
        ("Ich will nicht nach Hause gehen heute", "Heute will ich gerne nach Hause gehen", "negation"),
        ("Je ne veux pas manger ce soir", "Ce soir je veux bien manger", "negation"),
        ("今天我不想去学校上课", "今天我想去学校上课了", "negation"),
        ("i dont want to call them again", "i want to call them again now", "negation"),
        ("Как доехать из аэропорта до Анны?", "Как из аэропорта доехать до Ольги?", "entities"),
        ("NASA has sent it up, why?", "Why has somebody sent it up?", "entities"),
        ("¿Dónde vive Álvaro ahora mismo?", "¿Y ahora mismo dónde vive Óscar?", "entities"),
    ],
)
def test_other_languages_and_first_words(old, new, reason):
    assert refused(old, new, PARAPHRASE) == reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("how do i sort a list in C#", "how do i sort that list in C++", "code"),
        ("how do i sort a list in C#", "how do i sort that list in C", "code"),
        ("what does rm -rf do to my folder", "what does rm -i do to the folder of mine", "code"),
        ("may i run it with --force here", "may i run this with --dry here", "code"),
        ("how much is 5 + 3 in the end", "so how much is 5 - 3 in the end", "code"),
        ("how much is 5 * 3 in the end", "so how much is 5 - 3 in the end", "code"),
        ("what is a - b in this sum", "so what is a * b in this sum", "code"),
        ("please tell @alice about it", "please do tell @bob about it", "URLs"),
        ('how does one say "gato" in english', 'how would one say "perro" in english', "quotes"),
        ("how does one say 'gato' in english", "how would one say 'perro' in english", "quotes"),
        ("we all cheer for #teamred today", "today we all cheer for #teamblue", "code"),
        ("that was a long day \U0001f600", "it was a long day \U0001f621", "signs"),
        ("is it right that 5 \u2264 7 here", "is it so that 5 \u2265 7 here", "signs"),
        ('how does one say "gato" in english', "gato: how would one say it in english", None),
        ("well - what would you do - really", "well, what would you really do", None),
    ],
)
def test_signs_that_are_seen_are_kept(old, new, reason):
    assert refused(old, new, PARAPHRASE._replace(highest=0.95)) == reason


SIGNED = (
    'Please explain this whole sentence: "where is it" in C#, with --force and 5 * 3 for @alice \U0001f600?'
)


@pytest.mark.parametrize("operation", ["typo", "spacing", "punctuation"])
def test_noise_is_seldom_refused_for_its_signs(operation):
    news = [noise(SIGNED, operation, random.Random(seed)) for seed in range(20)]
    assert [refused(SIGNED, new, NOISE) for new in news].count(None) > 10


@given(st.decimals(0, 10**6, places=2), st.sampled_from(["", " mg", " km", "%"]))
def test_a_number_with_thousands_apart_is_the_same_number(number, unit):
    assert quantities(f"about {number:,}{unit}.") == quantities(f"{number}{unit}")
    assert quantities(f"-{number}{unit}") == [f"-{quantities(f'{number}{unit}')[0]}"]


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
