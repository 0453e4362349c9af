"""Duplicates go with evidence, conflicts stay and are listed: as the definition says it, pair by pair."""

from __future__ import annotations

import json
import random
import re
import resource
import tempfile
from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from curation.dedup import How, drop_duplicates, drop_known
from curation.errors import UserError
from curation.evidence import with_words
from curation.known import drop_against, index_rows
from curation.near.sameness import signatures
from curation.rows import answer_text, frame, make_row, prompt_text
from tests.curation.plain_near import connected, jaccard, shingles, spoken

POLICY = (
    "You are a guard. Decide whether the message below asks for something harmful, and say safe or unsafe."
)
KEY = ["source", "line"]


def chat(prompt: str, answer: str, line: int = 1, system: str = "", **more) -> dict:
    turns = [{"role": "system", "content": system}] if system else []
    turns += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="s", line=line, **more)


def corpus(seed: int, count: int = 250, template: str = "", answers: int | None = None) -> pl.DataFrame:
    """Rows of few bases with small edits; equal prompts with many answers, and equal answers, among them."""
    rng = random.Random(seed)
    vocabulary = [f"w{i}" for i in range(400)]
    bases = [
        (rng.choices(vocabulary, k=rng.randrange(5, 90)), rng.choices(vocabulary, k=rng.randrange(4, 60)))
        for _ in range(count // 5)
    ]
    short = [["safe"], ["unsafe"], ["<"], [">"], []]
    rows = []
    for line in range(count):
        prompt, answer = (list(part) for part in rng.choice(bases))
        if rng.random() < 0.3:
            answer = list(rng.choice(short) if rng.random() < 0.5 else rng.choice(bases)[1])
        for part in (prompt, answer):
            for _ in range(rng.choice([0, 0, 0, 0, 1, 3])):
                if part:
                    part[rng.choice([0, rng.randrange(len(part))])] = rng.choice(vocabulary)
        rows.append(chat(template + " ".join(prompt), " ".join(answer), line))
    return frame(rows)


class Twin:
    """The similarities of all rows, by plain Python."""

    def __init__(self, rows: pl.DataFrame, on: str = "prompt") -> None:
        lists = [spoken(messages) for messages in rows["messages"].to_list()]
        self.labels = [json.loads(meta).get("label") for meta in rows["meta"]]
        if on == "all":
            self.prompts = shingles(["\n".join(m["content"] for m in of) for of in lists], counted=True)
            self.answers = self.prompts
        else:
            self.prompts = shingles([prompt_text(m) for m in lists])
            self.answers = shingles([answer_text(m) for m in lists], counted=True)

    def of(self, a: int, b: int) -> tuple[float, float]:
        return jaccard(self.prompts[a], self.prompts[b]), jaccard(self.answers[a], self.answers[b])

    def duplicates(self, a: int, b: int, threshold: float) -> bool:
        return self.labels[a] == self.labels[b] and min(self.of(a, b)) >= threshold - 1e-12

    def contradict(self, a: int, b: int, threshold: float) -> bool:
        prompt, answer = self.of(a, b)
        other = answer < threshold - 1e-12 or self.labels[a] != self.labels[b]
        return prompt >= threshold - 1e-12 and other


def with_labels_and_calls(rows: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The rows, a third of them with labels, and a third with a call of words of their answers."""
    rng, marked = random.Random(seed), []
    for row in rows.iter_rows(named=True):
        turns = row["messages"]
        words = turns[-1]["content"].split()
        if rng.random() < 0.3 and all(map(str.isalnum, words)):
            at = rng.randrange(len(words) + 1)
            call = {"function": {"name": "note", "arguments": json.dumps({"text": words[at:]})}}
            turns[-1] |= {"content": " ".join(words[:at]), "extra": json.dumps({"tool_calls": [call]})}
        meta = {"label": rng.random() < 0.5} if rng.random() < 0.3 else {"source": rng.random()}
        marked.append(make_row(turns, source=row["source"], line=row["line"], meta=json.dumps(meta)))
    return frame(marked)


@pytest.mark.parametrize(("threshold", "on"), [(0.3, "prompt"), (0.7, "prompt"), (0.7, "all"), (0.95, "all")])
@pytest.mark.parametrize("memory", [None, 10**8])
def test_labels_and_calls_count(threshold, on, memory):
    rows = drop_duplicates(with_labels_and_calls(corpus(7), 7), How(near=False)).rows
    rows = rows.with_columns(line=pl.int_range(rows.height))
    done, twin = drop_duplicates(rows, How(threshold, on=on), memory=memory), Twin(rows, on)
    kept = sorted(done.rows["line"])
    for drop in done.drops.iter_rows(named=True):
        assert twin.duplicates(drop["line"], drop["partner_line"], threshold)
        found = (drop["similarity"], drop["answer_similarity"])
        assert found == pytest.approx(twin.of(drop["line"], drop["partner_line"]))
    assert done.drops.height > 5
    assert not [pair for pair in combinations(kept, 2) if twin.duplicates(*pair, threshold)]
    listed = {tuple(sorted(pair)) for pair in done.conflicts.select("line", "partner_line").iter_rows()}
    assert listed == {pair for pair in combinations(kept, 2) if twin.contradict(*pair, threshold)}
    assert [1 for a, b in listed if twin.labels[a] != twin.labels[b]]


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.8, 0.95])
@pytest.mark.parametrize(("template", "on"), [("", "prompt"), (POLICY + "\n\n", "prompt"), ("", "all")])
def test_rows_go_and_stay_as_the_definition_says(threshold, template, on):
    # what is left by the exact step, so that line numbers are row numbers
    rows = drop_duplicates(corpus(1, template=template), How(near=False)).rows
    rows = rows.with_columns(line=pl.int_range(rows.height))
    done, twin = drop_duplicates(rows, How(threshold, on=on)), Twin(rows, on)
    kept = set(done.rows["line"])
    assert kept | set(done.drops["line"]) == set(range(rows.height))
    assert 0 < done.drops.height < rows.height - 10
    for drop in done.drops.iter_rows(named=True):
        prompt, answer = twin.of(drop["line"], drop["partner_line"])
        assert drop["partner_line"] in kept
        assert (drop["similarity"], drop["answer_similarity"]) == pytest.approx((prompt, answer))
        assert min(prompt, answer) >= threshold - 1e-12
    assert not [pair for pair in combinations(sorted(kept), 2) if twin.duplicates(*pair, threshold)]
    listed = {tuple(sorted(pair)) for pair in done.conflicts.select("line", "partner_line").iter_rows()}
    assert listed == {pair for pair in combinations(sorted(kept), 2) if twin.contradict(*pair, threshold)}
    assert bool(listed) == (on == "prompt")
    assert bool(done.templates) == bool(template)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_connected_rows_leave_one_of_each_chain(threshold):
    rows = drop_duplicates(corpus(5, count=200), How(near=False)).rows
    rows = rows.with_columns(line=pl.int_range(rows.height))
    twin = Twin(rows)
    edges = [p for p in combinations(range(rows.height), 2) if twin.duplicates(*p, threshold)]
    label = connected(rows.height, edges)
    done = drop_duplicates(rows, How(threshold, mode="connected"))
    assert len({label[line] for line in done.rows["line"]}) == done.rows.height == len(set(label))
    for drop in done.drops.iter_rows(named=True):
        assert label[drop["line"]] == label[drop["partner_line"]]
        assert drop["partner_line"] in set(done.rows["line"])
        found = (drop["similarity"], drop["answer_similarity"])
        assert found == pytest.approx(twin.of(drop["line"], drop["partner_line"]))


@given(st.integers(0, 10**6), st.sampled_from(["anchored", "connected"]), st.sampled_from(["prompt", "all"]))
@settings(deadline=None, max_examples=12)
def test_neither_order_nor_threads_change_what_is_kept(seed, mode, on):
    rows = with_labels_and_calls(corpus(seed, count=150), seed)
    rows = pl.concat([rows, rows.sample(30, seed=seed).with_columns(line=pl.col("line") + 1000)])
    how = How(0.7, mode=mode, on=on)
    first = drop_duplicates(rows, how, threads=1)
    for threads, shuffled in ((2, rows), (3, rows.sample(fraction=1.0, shuffle=True, seed=seed))):
        again = drop_duplicates(shuffled, how, threads=threads)
        assert sorted(again.rows["line"]) == sorted(first.rows["line"])
        assert again.drops.sort(KEY).equals(first.drops.sort(KEY))
        assert again.conflicts.sort([*KEY, "partner_line"]).equals(
            first.conflicts.sort([*KEY, "partner_line"])
        )


@given(
    st.integers(0, 10**6),
    st.sampled_from(["anchored", "connected"]),
    st.sampled_from(["prompt", "all"]),
    st.sampled_from(["", POLICY + "\n\n"]),
)
@settings(deadline=None, max_examples=10)
def test_little_memory_does_not_change_the_result(seed, mode, on, template):
    rows, how = corpus(seed, count=150, template=template), How(0.7, mode=mode, on=on)
    whole, little = drop_duplicates(rows, how), drop_duplicates(rows, how, memory=10**6)
    assert little.rows.equals(whole.rows)
    assert little.drops.sort(KEY).equals(whole.drops.sort(KEY))
    assert little.conflicts.sort([*KEY, "partner_line"]).equals(whole.conflicts.sort([*KEY, "partner_line"]))
    assert little.templates == whole.templates


def test_the_report_is_the_same_in_little_memory(monkeypatch):
    for name in ("decide", "near.spilled", "near.prefixes"):
        monkeypatch.setattr(f"curation.{name}.LONG", 60)
    whole, little = (drop_duplicates(corpus(3), memory=memory) for memory in (None, 10**8))
    assert little.long == whole.long > 0


def test_a_full_disk_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
    try:
        with pytest.raises(UserError, match="cannot go over the disk") as caught:
            drop_duplicates(corpus(1), memory=10**9)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "TMPDIR" in caught.value.fix
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_refused():
    with pytest.raises(UserError, match="1,000 bytes are not enough to compare") as caught:
        drop_duplicates(corpus(1), memory=1000)
    (least,) = re.findall(r"at least (\d+)MB", caught.value.fix)
    assert drop_duplicates(corpus(1), memory=int(least) * 10**6).rows.height
    assert drop_duplicates(frame([]), memory=10**6).rows.height == 0


@given(st.integers(0, 10**6), st.integers(0, 120))
@settings(deadline=None, max_examples=12)
def test_no_old_row_goes_for_a_new_one(seed, old):
    rows = corpus(seed, count=120)
    done = drop_duplicates(rows, How(0.7), old=old)
    pairs = done.drops.filter(pl.col("line") < old)
    assert (pairs["partner_line"] < old).all()
    alone = drop_duplicates(rows.head(old), How(0.7))
    assert set(done.rows["line"]) & set(range(old)) == set(alone.rows["line"])


@given(st.integers(0, 10**6), st.integers(1, 119))
@settings(deadline=None, max_examples=8)
def test_new_rows_go_as_if_all_were_one_file(seed, old):
    rows = corpus(seed, count=120)
    whole = drop_duplicates(rows, How(0.7), old=old)
    alone = drop_known(rows.head(old), rows.tail(-old), How(0.7))
    assert alone.rows.equals(whole.rows.filter(pl.col("line") >= old))
    assert alone.drops.equals(whole.drops.filter(pl.col("line") >= old))
    new = (pl.col("line") >= old) | (pl.col("partner_line") >= old)
    assert alone.conflicts.equals(whole.conflicts.filter(new))


def test_rows_that_stay_keep_their_order():
    assert drop_duplicates(corpus(3), How(0.7)).rows["line"].is_sorted()


def test_exact_and_normalised_duplicates_are_told_apart():
    rows = frame(
        [
            chat("How  do fish breathe?", "With gills", 1),
            chat("How  do fish breathe?", "With gills", 2),
            chat("HOW do fish\nbreathe?", "With gills", 3),
            chat("How do ﬁsh\u2028breathe?", "with GILLS", 4),
            chat("How do fish breathe?", "With lungs", 5),
            chat("How do fish breathe", "With gills", 6),
            chat("Howdo fish breathe?", "With gills", 7),
        ]
    )
    done = drop_duplicates(rows, How(near=False))
    assert done.rows["line"].to_list() == [1, 5, 6, 7]
    assert done.drops.select("line", "reason", "partner_line", "similarity").rows() == [
        (2, "exact duplicate", 1, 1.0),
        (3, "normalised duplicate", 1, 1.0),
        (4, "normalised duplicate", 1, 1.0),
    ]


def test_roles_and_other_fields_of_a_turn_tell_rows_apart():
    turns = [
        [{"role": "user", "content": "hi"}],
        [{"role": "tool", "content": "hi"}],
        [{"role": "user", "content": "hi", "extra": '{"tool_calls":[1]}'}],
        [{"role": "user", "content": "hi"}, {"role": "user", "content": ""}],
        [{"role": "user", "content": ""}, {"role": "user", "content": "hi"}],
    ]
    assert drop_duplicates(frame(make_row(t) for t in turns), How(near=False)).drops.height == 0


def test_contents_with_null_characters_are_told_apart():
    answers = ["\0a", "b", "b", "\0\0", "\0", ""]
    rows = frame([chat("x", answer, line) for line, answer in enumerate(answers)])
    assert len(set(signatures(rows["messages"]).tolist())) == 5
    assert drop_duplicates(rows, How(near=False)).drops.select("line", "partner_line").rows() == [(2, 1)]


def test_equal_hashes_are_no_proof(monkeypatch):
    monkeypatch.setattr("curation.exact.signatures", lambda messages, _: np.zeros(len(messages), np.uint64))
    rows = frame([chat("one", "a", 1), chat("two", "b", 2), chat("ONE", "a", 3), chat("one ", "a", 4)])
    done = drop_duplicates(rows, How(near=False))
    assert set(done.drops["partner_line"]) <= set(done.rows["line"])
    assert {"two"} <= {m[0]["content"] for m in done.rows["messages"].to_list()}


def test_shared_text_does_not_make_rows_duplicates():
    rows = frame(chat(f"{POLICY}\n\nMessage: {words_of(i)}", "safe", i) for i in range(60))
    done = drop_duplicates(rows)
    assert (done.drops.height, done.conflicts.height) == (0, 0)
    assert done.templates[0].rows == 60
    assert done.templates[0].text.startswith("you are a guard decide whether")
    assert drop_duplicates(rows, How(0.3, on="all")).drops.height > 50


@pytest.mark.parametrize("prompt", ["hi", "", "你好", "two words"])
def test_a_short_prompt_that_many_rows_share_is_no_template(prompt):
    rows = frame(
        [chat(words_of(i), "fine", i) for i in range(60)]
        + [chat(prompt, words_of(100 + i), 60 + i) for i in range(30)]
    )
    done = drop_duplicates(rows)
    assert (done.drops.height, done.templates) == (0, [])
    assert done.conflicts.height == 20 * 19 // 2 + 10 * 20  # a row lists 20 at most
    new = frame(chat(prompt, words_of(200 + i), 90 + i) for i in range(5))
    against = drop_against(index_rows(rows, How()), new, How())
    assert (against.anew, against.found.drops.height) == (False, 0)


def words_of(number: int) -> str:
    rng = random.Random(number)
    return " ".join("".join(rng.choices("abcdefgh", k=6)) for _ in range(8))


TWINS = [
    ("unsafe", "safe"),
    ("unsafe\nS1", "unsafe\nS2"),
    ("-5", "5"),
    ("<", ">"),
    ("👍", "👎"),
    ("👍️", "👎️"),
    ("C", "C++"),
    ("a = b", "a != b"),
    ("", "safe"),
]


@pytest.mark.parametrize(("left", "right"), TWINS)
def test_the_same_prompt_with_another_answer_is_a_conflict(left, right):
    rows = frame([chat("Is this message harmful or not?", a, i) for i, a in enumerate((left, right))])
    done = drop_duplicates(rows)
    assert done.drops.height == 0
    (pair,) = done.conflicts.select("line", "answer", "partner_line", "partner_answer", "similarity").rows()
    assert sorted([pair[:2], pair[2:4]]) == [(0, left), (1, right)]
    assert pair[4] == 1.0


@pytest.mark.parametrize(("left", "right"), [("Safe", "safe."), ("ﬁne", "fine"), ("a  b", "A b"), ("", "")])
def test_short_answers_that_differ_in_form_alone_agree(left, right):
    prompts = ("Is this message harmful or not?", "Is this message harmful or not")
    rows = frame([chat(p, a, i) for i, (p, a) in enumerate(zip(prompts, (left, right), strict=True))])
    assert drop_duplicates(rows).drops["reason"].to_list() == ["near duplicate"]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("report", [1, 2, 3, 4]), ("keep_all", [1, 2, 3, 4]), ("keep_best", [2, 4]), ("drop_all", [4])],
)
def test_what_becomes_of_conflicts_is_the_users_to_say(policy, kept):
    prompt = "Is this one message harmful or not?"
    rows = frame(
        [chat(prompt, "no", 1), chat(prompt, "perhaps", 2), chat(prompt, "yes", 3), chat("All else", "x", 4)]
    )
    done = drop_duplicates(rows, How(conflicts=policy))
    assert done.rows["line"].to_list() == kept
    listed = {tuple(sorted(pair)) for pair in done.conflicts.select("line", "partner_line").iter_rows()}
    assert listed == ({(1, 2), (2, 3)} if policy == "keep_best" else {(1, 2), (1, 3), (2, 3)})
    assert set(done.drops["reason"]) <= {"conflicting answer"}
    assert done.drops["similarity"].to_list() == [1.0] * (4 - len(kept))


@pytest.mark.parametrize("policy", ["keep_best", "drop_all"])
def test_many_answers_to_one_prompt(policy):
    """More conflicts than a row lists: all are seen to, none is forgotten."""
    rows = frame(
        chat("Name any number that you like", f"number {i} of them, the {i}th", i) for i in range(90)
    )
    done = drop_duplicates(rows, How(conflicts=policy))
    assert done.rows.height == (1 if policy == "keep_best" else 0)
    assert set(done.drops["reason"]) == {"conflicting answer"}
    report = drop_duplicates(rows)
    assert report.rows.height == 90
    assert report.conflicts.height <= 90 * 20
    assert len(set(report.conflicts["line"]) | set(report.conflicts["partner_line"])) == 90


def test_a_dropped_row_never_loses_to_one_that_is_not_kept():
    rows = corpus(9, count=200)
    for policy in ("report", "keep_best"):
        done = drop_duplicates(rows, How(0.6, conflicts=policy))
        assert set(done.drops["partner_line"]) <= set(done.rows["line"])


@pytest.mark.parametrize("mode", ["anchored", "connected"])
@pytest.mark.parametrize("conflicts", ["report", "keep_best", "drop_all"])
@pytest.mark.parametrize("near", [True, False])
def test_rows_read_without_ids_go_and_stay_all_the_same(mode, conflicts, near):
    rows = with_labels_and_calls(corpus(11), 11)
    unnamed = rows.with_columns(id=pl.lit(None, pl.String))
    how = How(0.7, near, conflicts=conflicts, mode=mode)
    named, done = drop_duplicates(rows, how), drop_duplicates(unnamed, how)
    assert done.drops.height > 10
    assert_frame_equal(done.drops, named.drops)
    assert_frame_equal(done.conflicts, named.conflicts)
    assert_frame_equal(done.rows.drop("id"), named.rows.drop("id"))
    assert not done.rows["id"].count()
    assert_frame_equal(with_words(done.drops, unnamed), with_words(named.drops, rows))


def test_rows_that_were_made_follow_their_parents_where_ids_are_not_known():
    parent, copy = chat("one two three four", "five"), chat("One two three four", "five", 2)
    children = [
        chat(f"{text} again and again", "five", 3 + n, parents=[of["id"]], tags=["augmented"])
        for n, (text, of) in enumerate((("a b c d", parent), ("e f g h", copy)))
    ]
    rows = frame([parent, copy, *children])
    named, done = (drop_duplicates(of) for of in (rows, rows.with_columns(id=pl.lit(None, pl.String))))
    assert_frame_equal(done.drops, named.drops)
    assert done.drops.height == 2
    assert done.rows["line"].to_list() == named.rows["line"].to_list()


def test_the_best_row_stays_by_score_then_length_then_id():
    prompt = "Name the colour of the sky on a clear day at noon in the summer of the year{}"
    short, long = chat(prompt.format(""), "blue", 1), chat(prompt.format("!!"), "blue", 2)
    scored = chat(prompt.format("?"), "blue", 3, meta='{"score": 0.5}')
    better = chat(prompt.format(""), "blue.", 4, meta='{"score": 4}')
    odd = chat(prompt.format("!!!!!!"), "blue", 5, meta='{"score": "good"}')

    def kept(*rows: dict, **more) -> list[int]:
        return drop_duplicates(frame(rows), **more).rows["line"].to_list()

    assert kept(short, long) == kept(long, short) == [2]
    assert kept(short, long, old=1) == [1]
    assert kept(short, long, scored) == [3]
    assert kept(short, long, scored, better, odd) == [4]
    assert kept(short, long, how=How(keep="first")) == [1]
    assert kept(chat("a  b", "c", 1), chat("a    b", "c", 2), old=1) == [1]


def test_no_rows():
    for near in (True, False):
        done = drop_duplicates(frame([]), How(near=near))
        assert (done.rows.height, done.drops.height, done.conflicts.height) == (0, 0, 0)
