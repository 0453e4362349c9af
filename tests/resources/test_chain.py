"""The shipped question-answer sets keep the format and the variety their README promises."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

from curation.intake import read_file

CHAIN = Path(__file__).parents[2] / "resources" / "chain"
SETS = {"software_engineering": "se", "ml_engineering": "ml"}
WORD_LIMITS = {"question": (6, 25), "answer": (40, 110)}
MAX_SHARED_TRIPLES = 0.3
PAIRS_PER_SET = 80

Row = dict[str, object]


def _rows(name: str) -> list[Row]:
    text = (CHAIN / f"{name}.jsonl").read_bytes().decode("utf-8")
    assert text.endswith("\n")
    assert "\r" not in text
    return [json.loads(line) for line in text[:-1].split("\n")]


def _texts(field: str) -> dict[str, str]:
    return {str(row["id"]): str(row[field]) for name in SETS for row in _rows(name)}


def _triples(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + 3]) for i in range(len(words) - 2)}


def _jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(("name", "prefix"), SETS.items())
def test_each_set_has_all_its_ids_once_and_in_order(name: str, prefix: str) -> None:
    expected = [f"{prefix}-{number:03d}" for number in range(1, PAIRS_PER_SET + 1)]
    assert [row["id"] for row in _rows(name)] == expected


@pytest.mark.parametrize("name", SETS)
def test_each_row_has_exactly_the_four_fields(name: str) -> None:
    for row in _rows(name):
        assert list(row) == ["id", "question", "answer", "tags"], row["id"]
        assert isinstance(row["question"], str), row["id"]
        assert isinstance(row["answer"], str), row["id"]


@pytest.mark.parametrize("name", SETS)
def test_tags_name_the_set_and_then_one_topic(name: str) -> None:
    topics = set()
    for row in _rows(name):
        tags = row["tags"]
        assert isinstance(tags, list)
        set_tag, topic = tags
        assert set_tag == name
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", topic), row["id"]
        topics.add(topic)
    assert len(topics) >= 12


@pytest.mark.parametrize(("field", "limits"), WORD_LIMITS.items())
def test_word_counts_stay_inside_the_limits(field: str, limits: tuple[int, int]) -> None:
    lowest, highest = limits
    outside = {
        key: n for key, text in _texts(field).items() if not lowest <= (n := len(text.split())) <= highest
    }
    assert outside == {}


@pytest.mark.parametrize("field", WORD_LIMITS)
def test_text_is_clean(field: str) -> None:
    for key, text in _texts(field).items():
        assert text == " ".join(text.split()), f"{key}: stray white space"
        assert text.isprintable(), key
        # U+FFFD and these two letters are what wrongly decoded UTF-8 leaves behind.
        assert not set("\ufffd\u00c3\u00e2") & set(text), f"{key}: broken encoding"
        assert text.endswith("?" if field == "question" else "."), key


def test_no_two_questions_are_equal() -> None:
    questions = [" ".join(re.findall(r"\w+", text.lower())) for text in _texts("question").values()]
    assert len(set(questions)) == len(questions) == PAIRS_PER_SET * len(SETS)


@pytest.mark.parametrize("field", WORD_LIMITS)
def test_no_two_texts_are_near_duplicates(field: str) -> None:
    grams = {key: _triples(text) for key, text in _texts(field).items()}
    close = [(a, b) for a, b in combinations(grams, 2) if _jaccard(grams[a], grams[b]) >= MAX_SHARED_TRIPLES]
    assert close == []


@pytest.mark.parametrize("name", SETS)
def test_curation_reads_every_line(name: str) -> None:
    intake = read_file(CHAIN / f"{name}.jsonl")
    assert intake.rejects.is_empty()
    assert intake.rows.height == PAIRS_PER_SET
