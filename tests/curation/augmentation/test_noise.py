"""Noise is what fingers do, and leaves alone what carries the label."""

from __future__ import annotations

import random

import pytest

from curation.augmentation.guards import NOISE, refused
from curation.augmentation.noise import CONTRACTIONS, NEIGHBOURS, noise
from curation.augmentation.settings import ALL

LINES = [
    "Please do not describe where 3 large elephants usually travel in Kenya?",
    "Nobody should ever write password_hash without thinking about https://example.org/guide first.",
    "What is the difference between harmless mushrooms and poisonous ones, and why is it never obvious?",
    "It is simple: neither Berlin nor Munich cannot borrow 1,000 dollars from nothing!",
    "Tell me how Elephants in Kenya travel.",
    "the quick brown animal jumped across another lazily sleeping animal yesterday evening.",
]


def test_the_keys_beside_each_other_are_those_of_a_keyboard():
    assert set(NEIGHBOURS["g"]) == set("fhtyvb")
    assert set(NEIGHBOURS["q"]) == {"w", "a"}
    assert all(a in NEIGHBOURS[b] for a, beside in NEIGHBOURS.items() for b in beside)


@pytest.mark.parametrize("operation", ["typo", "spacing", "punctuation", "contraction"])
def test_noise_passes_the_guards(operation):
    changed = 0
    for line in LINES:
        for seed in range(40):
            noisy = noise(line, operation, random.Random(seed))
            changed += noisy != line
            assert noisy == line or refused(line, noisy, NOISE) is None, noisy
    assert changed > 0


def test_case_changes_nothing_but_case():
    for line in LINES:
        noisy = {noise(line, "case", random.Random(seed)) for seed in range(20)}
        assert {text.lower() for text in noisy} == {line.lower()}
        assert len(noisy) == 3


def test_a_typing_error_changes_two_words_at_most_and_never_the_first():
    for seed in range(60):
        old, new = LINES[-1].split(" "), noise(LINES[-1], "typo", random.Random(seed)).split(" ")
        assert len(old) == len(new)
        assert old[0] == new[0]
        assert sum(a != b for a, b in zip(old, new, strict=True)) <= 2


def test_contractions_go_both_ways():
    long = "What is it? I am sure you do not know. Do not ask."
    short = "What's it? I'm sure you don't know. Don't ask."
    for text in (long, short):
        assert {noise(text, "contraction", random.Random(seed)) for seed in range(20)} == {long, short}
    assert len(set(CONTRACTIONS.values())) == len(CONTRACTIONS)


@pytest.mark.parametrize(
    "text",
    [
        "The dog hurt it's leg and I know what it is.",
        "It's been raining. I have a dog. Don't you see? Isn't it?",
        "Anna's cat and the Joneses' dog: whose is it, and how is?",
    ],
)
def test_what_would_be_no_english_is_left_alone(text):
    assert {noise(text, "contraction", random.Random(seed)) for seed in range(20)} == {text}


def test_a_number_or_a_unit_by_name_takes_no_typing_error():
    text = "the three hundred seconds, seventy kilograms, eleven minutes"
    assert {noise(text, "typo", random.Random(seed)) for seed in range(40)} == {text}


@pytest.mark.parametrize("line", ["?", "...", "!!!", "42", "¿?", "日本語の文章です", "a b"])
@pytest.mark.parametrize("operation", ALL)
def test_a_prompt_is_never_emptied(line, operation):
    for seed in range(10):
        noisy = noise(line, operation, random.Random(seed))
        assert "".join(noisy.split()).lower() == "".join(line.split()).lower()
