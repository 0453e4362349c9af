"""What text is compared by: its words, and the whole of it where it is short."""

from __future__ import annotations

import pytest

from curation.text import is_unspaced, whole, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("ﬁne \uff37ord", ["fine", "word"]),
        ("don't stop", ["don", "t", "stop"]),
        ("", []),
        ("   ", []),
        ("春が来た。", ["春", "が", "来", "た"]),
        ("ｶﾀｶﾅ", ["カ", "タ", "カ", "ナ"]),
        ("สวัส", ["ส", "ว", "ั", "ส"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("안녕 세계", ["안녕", "세계"]),
        ("👍️ a\u0301", ["á"]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" A  b.", "a b"),
        ("safe .", "safe"),
        ("...", ".."),
        (".", "."),
        ("C++", "c++"),
        ("-5", "-5"),
        ("👍", "👍"),
    ],
)
def test_a_short_text_is_compared_with_its_signs_but_for_a_last_full_stop(text, expected):
    assert whole(text) == expected


@pytest.mark.parametrize(
    ("text", "unspaced"),
    [("春が来た", True), ("the word 春", False), ("abc", False), ("春a", False), ("春 日 a", True)],
)
def test_scripts_without_spaces_are_those_of_most_characters(text, unspaced):
    assert is_unspaced(text) == unspaced
