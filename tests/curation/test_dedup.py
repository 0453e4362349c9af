"""Duplicates go with evidence, conflicts stay and are listed."""

from __future__ import annotations

import random
from itertools import combinations

import polars as pl
import pytest

from curation.dedup import answer_similarity, drop_exact, drop_near
from curation.near import similar_pairs
from curation.rows import answer_text, frame, make_row, prompt_text
from curation.text import words

POLICY = (
    "You are a guard. Decide whether the message below asks for something harmful, and say safe or unsafe."
)
THRESHOLD = 0.7


def chat(prompt: str, answer: str, line: int = 1, **more) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="s", line=line, **more)


def corpus(seed: int, count: int = 250, template: str = "") -> pl.DataFrame:
    rng = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(400)]
    bases = [(rng.choices(vocabulary, k=18), rng.choices(vocabulary, k=12)) for _ in range(count // 5)]
    rows = []
    for line in range(count):
        prompt, answer = (list(part) for part in rng.choice(bases))
        for part in (prompt, answer):
            for _ in range(rng.choice([0, 0, 0, 0, 1, 3])):
                part[rng.randrange(len(part))] = rng.choice(vocabulary)
        rows.append(chat(template + " ".join(prompt), " ".join(answer), line))
    return frame(rows)


def duplicates(rows: pl.DataFrame) -> set[tuple[int, int]]:
    lists = rows["messages"].to_list()
    pairs = similar_pairs([prompt_text(m) for m in lists], THRESHOLD)
    answers = [words(answer_text(m)) for m in lists]
    return {
        (a, b)
        for a, b in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
        if answer_similarity(answers[a], answers[b]) >= THRESHOLD
    }


@pytest.mark.parametrize("template", ["", POLICY + "\n\n"])
def test_every_dropped_row_is_similar_to_the_row_that_stays_and_no_two_kept_rows_are(template):
    rows = corpus(1, template=template)
    done = drop_near(rows, threshold=THRESHOLD)
    pairs = duplicates(rows)
    kept = set(done.rows["line"])
    assert 20 < done.drops.height < rows.height - 20
    assert kept | set(done.drops["line"]) == set(rows["line"])
    for drop in done.drops.iter_rows(named=True):
        assert drop["partner_line"] in kept
        assert tuple(sorted((drop["line"], drop["partner_line"]))) in pairs
        assert drop["similarity"] >= THRESHOLD
    assert not [pair for pair in combinations(sorted(kept), 2) if pair in pairs]


@pytest.mark.parametrize("step", [drop_exact, drop_near])
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_input_does_not_change_what_is_kept(step, seed):
    rows = corpus(2)
    rows = pl.concat([rows, rows.sample(60, seed=1).with_columns(line=pl.col("line") + 1000)])
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=seed)
    first, again = step(rows), step(shuffled)
    assert sorted(again.rows["id"]) == sorted(first.rows["id"])
    key = ["source", "line"]
    assert again.drops.sort(key).equals(first.drops.sort(key))


def test_rows_that_stay_keep_their_order():
    done = drop_near(corpus(3), threshold=THRESHOLD)
    assert done.rows["line"].is_sorted()


def test_exact_and_normalised_duplicates_are_told_apart():
    rows = frame(
        [
            chat("How  do fish breathe?", "With gills", 1),
            chat("How  do fish breathe?", "With gills", 2),
            chat("HOW do fish\nbreathe?", "With gills", 3),
            chat("How do ﬁsh breathe?", "with GILLS", 4),
            chat("How do fish breathe?", "With lungs", 5),
            chat("How do fish breathe", "With gills", 6),
        ]
    )
    done = drop_exact(rows)
    assert done.rows["line"].to_list() == [1, 5, 6]
    assert done.drops.select("line", "reason", "partner_line", "similarity").rows() == [
        (2, "exact duplicate", 1, 1.0),
        (3, "normalised duplicate", 1, 1.0),
        (4, "normalised duplicate", 1, 1.0),
    ]


def test_roles_and_other_fields_of_a_turn_tell_rows_apart():
    call = '{"tool_calls":[1]}'
    turns = [
        [{"role": "user", "content": "hi"}],
        [{"role": "tool", "content": "hi"}],
        [{"role": "user", "content": "hi", "extra": call}],
    ]
    assert drop_exact(frame(make_row(t) for t in turns)).drops.height == 0


def test_shared_text_does_not_make_rows_duplicates():
    rows = frame(chat(f"{POLICY}\n\nMessage: {words_of(i)}", "safe", i) for i in range(60))
    done = drop_near(rows, threshold=0.8)
    assert (done.drops.height, done.conflicts.height) == (0, 0)


def words_of(number: int) -> str:
    rng = random.Random(number)
    return " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(8))


TWINS = [
    ("unsafe", "safe"),
    ("unsafe\nS1", "unsafe\nS2"),
    ("-5", "5"),
    ("<", ">"),
    ("👍", "👎"),
    ("C", "C++"),
    ("a = b", "a != b"),
    ("", "safe"),
]


@pytest.mark.parametrize(("left", "right"), TWINS)
def test_the_same_prompt_with_another_answer_is_a_conflict(left, right):
    rows = frame([chat("Is this message harmful or not?", a, i) for i, a in enumerate((left, right))])
    done = drop_near(rows)
    assert done.drops.height == 0
    assert done.conflicts.select("line", "answer", "partner_line", "partner_answer", "similarity").rows() == [
        (0, left, 1, right, 1.0)
    ]


@pytest.mark.parametrize(("left", "right"), [("Safe", "safe."), ("ﬁne", "fine"), ("a  b", "A b"), ("", "")])
def test_short_answers_that_differ_in_form_alone_agree(left, right):
    rows = frame([chat("Is this message harmful or not?", a, i) for i, a in enumerate((left, right))])
    assert drop_near(rows).drops["reason"].to_list() == ["near duplicate"]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("report", [1, 2, 3, 4]), ("keep_all", [1, 2, 3, 4]), ("keep_best", [2, 4]), ("drop_all", [4])],
)
def test_what_becomes_of_conflicts_is_the_users_to_say(policy, kept):
    prompt = "Is this one message harmful or not?"
    rows = frame(
        [chat(prompt, "no", 1), chat(prompt, "perhaps", 2), chat(prompt, "yes", 3), chat("All else", "x", 4)]
    )
    done = drop_near(rows, conflicts=policy)
    assert done.rows["line"].to_list() == kept
    assert done.conflicts.select("line", "partner_line").rows() == [(1, 2), (1, 3), (2, 3)]
    assert set(done.drops["reason"]) <= {"conflicting answer"}


def test_old_rows_are_preferred_and_then_the_longer():
    short, long = (
        chat("Name the colour of the sky", "blue", 1),
        chat("Name the colour of the sky!!", "blue", 2),
    )
    assert drop_near(frame([short, long])).rows["line"].to_list() == [2]
    assert drop_near(frame([short, long]), old=1).rows["line"].to_list() == [1]
    assert drop_exact(frame([chat("a  b", "c", 1), chat("a    b", "c", 2)]), old=1).rows[
        "line"
    ].to_list() == [1]


@pytest.mark.parametrize(
    ("a", "b", "similarity"),
    [("a b c", "a b c", 1.0), ("a b", "a b", 1.0), ("a b", "a b c", 0.0), ("a b c d", "a b c e", 1 / 3)],
)
def test_answers_are_compared_by_word_triples(a, b, similarity):
    assert answer_similarity(a.split(), b.split()) == pytest.approx(similarity)


def test_no_rows():
    for done in (drop_exact(frame([])), drop_near(frame([]))):
        assert (done.rows.height, done.drops.height, done.conflicts.height) == (0, 0, 0)
