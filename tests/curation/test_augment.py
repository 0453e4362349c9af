"""Noisy children keep what carries the label: answer, family, numbers, code, negation, shared text."""

from __future__ import annotations

import random
import re

import polars as pl
import pytest

from curation.augment import OPERATIONS, augment, noise
from curation.redact import redact
from curation.rows import ROWS, answer_text, frame, make_row, row_id

POLICY = "Decide whether the message below is harmful to somebody. Answer safe or unsafe."
CARRIER = re.compile(
    r"\d+|\b(?:not|no|nor|never|without|cannot|none|nobody|nothing|neither|nowhere)\b|n't\b|[A-Z]\w+|\S*[_`/@]\S*"
)
LINES = [
    "Please do not describe where 3 large elephants usually travel in Kenya?",
    "Nobody should ever write password_hash without thinking about https://example.org/guide first.",
    "What is the difference between harmless mushrooms and poisonous ones, and why is it never obvious?",
    "It is simple: neither Berlin nor Munich cannot borrow 1,000 dollars from nothing!",
    "Tell me how Elephants in Kenya travel.",
    "the quick brown animal jumped across another lazily sleeping animal yesterday evening.",
]


def corpus(count: int = 60) -> pl.DataFrame:
    rng = random.Random(5)
    own = [
        " ".join(rng.choices(["apple", "banana", "cherry", "orange", "lemon", "melon", "42", "not"], k=9))
        + "."
        for _ in range(count)
    ]
    return frame(
        make_row(
            [
                {"role": "system", "content": "Be very careful always."},
                {"role": "user", "content": f"{POLICY}\nMessage {i}: {text}"},
                {"role": "assistant", "content": "certainly unsafe answer"},
            ],
            tags=["guard"],
            source="s",
            line=i,
            family=f"f{i}",
        )
        for i, text in enumerate(own)
    )


def test_children_keep_answer_family_place_and_name_their_one_parent():
    rows = corpus()
    parents = {row["id"]: row for row in rows.iter_rows(named=True)}
    children = augment(rows, share=0.5)
    assert children.height == 30
    assert children.schema == ROWS
    assert children["parents"].list.first().n_unique() == 30
    for child in children.iter_rows(named=True):
        (parent,) = (parents[p] for p in child["parents"])
        assert [child[k] for k in ("family", "source", "line")] == [
            parent[k] for k in ("family", "source", "line")
        ]
        assert answer_text(child["messages"]) == answer_text(parent["messages"])
        assert child["messages"][0] == parent["messages"][0]
        assert child["messages"][1]["content"] != parent["messages"][1]["content"]
        assert child["messages"][1]["content"].split("\n")[0] == POLICY
        assert child["tags"][:2] == ["guard", "augmented"]
        assert child["tags"][2] in OPERATIONS
        assert child["id"] == row_id(child["messages"])


def test_the_same_rows_in_any_order_and_seed_give_the_same_children():
    rows = corpus()
    first = augment(rows, share=0.3, seed=1)
    assert augment(rows, share=0.3, seed=1).equals(first)
    assert augment(rows.sample(fraction=1, shuffle=True, seed=9), share=0.3, seed=1).equals(first)
    assert not augment(rows, share=0.3, seed=2).equals(first)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_noise_keeps_numbers_names_code_and_negation(operation):
    changed = 0
    for line in LINES:
        for seed in range(40):
            noisy = noise(line, operation, random.Random(seed))
            changed += noisy != line
            assert carriers(noisy) == carriers(line) or operation == "case"
            assert noisy.lower() == line.lower() or operation != "case"
            assert abs(len(noisy.split()) - len(line.split())) <= 2
    assert changed > 0


def carriers(line: str) -> list[str]:
    """What carries the label, contractions written out."""
    line = re.sub(r"\b(do|does|is)n't\b", r"\1 not", line)
    line = re.sub(r"\b([Cc]an)'t\b", r"\1not", line)
    line = re.sub(r"\b(what|how|it)'s\b", r"\1 is", line)
    return [word.rstrip("?.!,") for word in CARRIER.findall(line)]


def test_a_typing_error_changes_two_words_at_most_and_never_the_first():
    for operation in ("swap", "drop"):
        for seed in range(40):
            old, new = LINES[-1].split(" "), noise(LINES[-1], operation, random.Random(seed)).split(" ")
            assert len(old) == len(new)
            assert old[0] == new[0]
            assert sum(a != b for a, b in zip(old, new, strict=True)) <= 2


@pytest.mark.parametrize("line", ["?", "...", "!!!", "42", "¿?", "日本語の文章です", "DANGER", "a b c d"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_prompt_is_never_emptied_nor_a_short_word_broken(line, operation):
    assert noise(line, operation, random.Random(0)).lower() == line.lower()


def test_rows_without_words_of_their_own_have_no_children():
    turns = [{"role": "user", "content": POLICY}, {"role": "assistant", "content": "safe"}]
    same = frame(make_row(turns, source="s", line=i) for i in range(40))
    assert augment(same, share=1).height == 0
    assert augment(frame([make_row([{"role": "assistant", "content": "alone here"}])]), share=1).height == 0
    assert augment(frame([]), share=1).height == 0


def test_equal_rows_are_no_trouble():
    rows = pl.concat([corpus(10), corpus(10).with_columns(line=pl.col("line") + 100)])
    children = augment(rows, share=0.5)
    assert 0 < children["id"].n_unique() == children.height <= 10


def test_placeholders_survive():
    turns = [{"role": "user", "content": "Please write someone@example.org about everything"}]
    rows, _ = redact(frame([make_row(turns, source="s", line=i) for i in range(1)]))
    for seed in range(10):
        for child in augment(rows, share=1, seed=seed).iter_rows(named=True):
            assert "[EMAIL]" in child["messages"][0]["content"]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_the_share_is_kept(share):
    assert augment(corpus(), share=share).height == round(share * 60)
