"""Rows are selected by task or by quota, within limits, and each says why it was kept or dropped."""

from __future__ import annotations

import itertools
import json
from collections import Counter

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.rows import frame, make_row
from curation.selection import outcome
from curation.selection.against_random import lines
from curation.selection.columns import compared, estimated_tokens
from curation.selection.groups import Group, budgets
from curation.selection.rows import select_rows
from curation.selection.select import Worth
from curation.selection.settings import Select
from tests.curation.selection.texts import planted


def chat(prompt: str, line: int, tags: tuple[str, ...] = (), **meta: object) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": f"Answer {line % 3}."}]
    return make_row(turns, source="s", line=line, tags=tags, meta=json.dumps(meta))


def corpus(count: int = 60, tags: tuple[str, ...] = ()) -> pl.DataFrame:
    texts = planted(3, intents=8, rows=count + 20).texts[:count]
    return frame(chat(text, i, tags, score=(i % 10) / 10) for i, text in enumerate(texts))


def about(rows: pl.DataFrame) -> list[dict]:
    return [json.loads(meta)["selected"] for meta in rows["meta"]]


@pytest.mark.parametrize("method", ["kcenter", "facility", "random"])
def test_kept_rows_carry_rank_reason_and_gain_in_their_old_order(method):
    rows = corpus()
    done = select_rows(rows, Select(k=12, method=method))
    assert done.rows["line"].is_sorted()
    told = about(done.rows)
    assert sorted(t["rank"] for t in told) == list(range(1, 13))
    gains = [t["gain"] for t in sorted(told, key=lambda t: t["rank"])]
    assert gains == sorted(gains, reverse=True)
    assert {t["reason"] for t in told} <= {"densest", "farthest", "covers most", "random"}
    assert (
        json.loads(done.rows["meta"][0])["score"] == json.loads(rows["meta"][done.rows["line"][0]])["score"]
    )
    assert done.rows["id"].to_list() == rows["id"].gather(done.rows["line"]).to_list()
    assert sorted([*done.rows["line"], *done.drops["line"]]) == list(range(60))


def test_where_all_fit_each_row_says_so_and_nothing_is_compared():
    rows = corpus()
    for step in (Select(k=60), Select(k=99), Select(budget_tokens=10**6)):
        done = select_rows(rows, step)
        assert about(done.rows)[1] == {"rank": 2, "reason": "all fit", "gain": None}
        note = done.notes["all rows"]
        assert (note["picked"], note["stopped"]) == (60, "all rows fit")
        assert note["coverage_beats_random"] is None
        assert "nothing to beat" in lines(done.notes)[1]
    again = select_rows(select_rows(rows, Select(k=10)).rows, Select(k=10))
    assert [t["rank"] for t in about(again.rows)] == list(range(1, 11))  # not what the first one said


def test_a_step_that_limits_nothing_changes_nothing():
    rows = corpus()
    assert select_rows(rows, Select()).rows.equals(rows)
    assert select_rows(rows, Select()).notes == {}


def test_a_field_of_that_name_is_not_overwritten():
    rows = frame([chat("a b", 1), chat("c d", 2, selected=True), chat("e f", 3)])
    with pytest.raises(UserError, match="of its own") as fault:
        select_rows(rows, Select(k=3))
    assert fault.value.where == "s:2: selected"


def reasons(done) -> dict[str, int]:
    return dict(Counter(done.drops["reason"]))


def test_each_row_that_goes_carries_its_own_reason():
    rows = corpus().with_columns(tags=pl.Series([["a"], ["b"], []] * 20))
    tokens = np.where(np.arange(60) % 2, 1, 50)
    assert reasons(select_rows(corpus(), Select(k=0))) == {"no row of its group was wanted": 60}
    assert reasons(select_rows(rows, Select(quotas={"a": 20}, share=0))) == {"no quota names its tags": 40}
    assert reasons(select_rows(rows, Select(quotas={"a": 0}, k=5, floor=0.0))) == {
        "no row of its group was wanted": 20,
        "covered by others": 35,
    }
    assert reasons(select_rows(corpus(), Select(method="random", k=12))) == {"not drawn": 48}
    short = select_rows(corpus(), Select(budget_tokens=49, floor=0.0), tokens=tokens)
    assert reasons(short) == {"over the token budget": 30}
    gain = select_rows(corpus(), Select(min_gain=0.8, floor=0.1))
    assert set(reasons(gain)) == {"below the density floor", "its gain is under min_gain"}


def test_quotas_that_overlap_or_find_no_row_are_told():
    tags = [["a", "b"], ["a"], ["b"]]
    rows = corpus(6).with_columns(tags=pl.Series([tags[i % 3] for i in range(6)]))
    notes = select_rows(rows, Select(quotas={"a": 9, "b": 1}, share=0)).notes
    assert (notes["a"]["wanted"], notes["a"]["picked"], notes["a"]["overlap"]) == (9, 4, 2)
    assert lines(notes)[:2] == [
        f"a: 4 of 4 picked, 9 wanted, {notes['a']['tokens']} tokens; all rows fit",
        "  2 of its rows have another tag with a quota; a row's first one counts",
    ]
    both = rows.with_columns(tags=pl.lit(["a", "b"]))
    note = select_rows(both, Select(quotas={"b": 2, "a": 2}, share=0)).notes["b"]
    assert (note["picked"], note["stopped"]) == (0, "no rows: each belongs to a quota before it")


@pytest.mark.parametrize("tag", ["rows without a quota", "rows without a tag", "all rows"])
def test_a_tag_may_be_called_as_rows_without_one_are(tag):
    rows = corpus().with_columns(tags=pl.Series([[tag], []] * 30))
    notes = select_rows(rows, Select(quotas={tag: 4}, k=10)).notes
    assert {name: note["picked"] for name, note in notes.items()}[tag] == 4
    assert sum(note["picked"] for note in notes.values()) == 10
    assert len(select_rows(rows, Select(k=10)).notes) == 2


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 30)), min_size=1, max_size=5), st.integers(0, 400)
)
def test_a_token_budget_is_dealt_out_by_what_each_group_can_use(groups, budget):
    size = [n for n, _ in groups]
    ends = np.cumsum([0, *size])
    rows = [list(range(a, b)) for a, b in itertools.pairwise(ends.tolist())]
    cost = np.concatenate([np.full(n, c) for n, c in groups])
    asked = [Group(str(i), part, 10**6) for i, part in enumerate(rows)]
    parts = budgets(asked, cost, budget)
    need = [n * c for n, c in groups]
    assert all(0 <= part <= most for part, most in zip(parts, need, strict=True))
    assert min(budget, sum(need)) - len(groups) < sum(parts) <= budget


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor": 1.0},
        {"method": "random", "quality": "score"},
        {"method": "random", "min_gain": 0.1},
        {"k": 5, "quotas": {"a": 3, "b": 3}},
        {"k": 5, "share": 0.5},
    ],
)
def test_what_cannot_be_meant_is_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Select)


def test_a_task_keeps_its_share_and_a_small_one_is_not_lost():
    rows = pl.concat([corpus(50, ("large",)), corpus(60, ("small",))[50:]])
    done = select_rows(rows, Select(share=0.5))
    assert dict(done.rows["tags"].list.first().value_counts().rows()) == {"large": 25, "small": 5}
    assert {t["group"] for t in about(done.rows)} == {"large", "small"}


def test_quotas_choose_by_tag_and_the_others_share_the_rest():
    rows = corpus()
    tags = [["x", "stage:task"], ["stage:general", "stage:task"], []]
    rows = rows.with_columns(tags=pl.Series([tags[i % 3] for i in range(60)]))
    quotas = {"stage:task": 4, "stage:general": 3}
    only = select_rows(rows, Select(share=0, quotas=quotas)).rows
    assert sorted(only["tags"].list.join(",")) == ["stage:general,stage:task"] * 3 + ["x,stage:task"] * 4
    more = select_rows(rows, Select(quotas=quotas, k=12)).rows
    assert (more.height, more["tags"].list.len().eq(0).sum()) == (12, 5)
    all_others = select_rows(rows, Select(quotas=quotas)).rows
    assert (all_others.height, all_others["tags"].list.len().eq(0).sum()) == (27, 20)
    with pytest.raises(UserError, match="no row has this tag"):
        select_rows(rows, Select(quotas={"stage:chat": 1}))


def test_a_token_budget_is_kept_and_no_row_that_fits_is_left_out():
    rows = corpus()
    tokens = np.arange(60) % 7 + 1
    done = select_rows(rows, Select(budget_tokens=31, floor=0.0), tokens=tokens)
    spent = int(tokens[done.rows["line"].to_numpy()].sum())
    assert spent == done.notes["all rows"]["tokens"] <= 31
    assert tokens[done.drops["line"].to_numpy()].min() > 31 - spent
    assert done.notes["all rows"]["stopped"] == "token budget spent"


def test_what_rounding_leaves_of_a_token_budget_goes_to_further_groups():
    tokens = np.arange(40) % 3 + 15
    each = corpus(40).with_columns(tags=pl.Series([[f"t{i}"] for i in range(40)]))
    done = select_rows(each, Select(budget_tokens=300), tokens=tokens)
    assert done.rows.height >= 17
    three = corpus(15).with_columns(tags=pl.Series([[f"t{i % 3}"] for i in range(15)]))
    tokens = np.arange(15) % 5 + 14
    for budget in (60, 100, 140):
        done = select_rows(three, Select(budget_tokens=budget, floor=0.0), tokens=tokens)
        left = budget - tokens[done.rows["line"].to_numpy()].sum()
        assert 0 <= left < tokens[done.drops["line"].to_numpy()].min()


def test_rows_that_k_kept_out_are_not_said_to_be_over_the_budget():
    done = select_rows(corpus(), Select(k=5, budget_tokens=50), tokens=np.full(60, 10))
    assert set(reasons(done)) == {"covered by others", "below the density floor"}


def test_what_lies_within_the_spread_of_random_picks_is_a_tie():
    draws = [Worth(0.5, 0.3), Worth(0.7, 0.2)]
    note = outcome._compared(Worth(0.65, 0.31), draws)
    assert (note["random_coverage"], note["coverage_beats_random"]) == (0.6, None)
    assert (note["random_facility"], note["facility_beats_random"]) == (0.25, True)
    assert outcome._compared(Worth(0.4, 0.2), draws)["coverage_beats_random"] is False


def test_tokens_are_estimated_from_the_bytes_of_all_turns():
    rows = frame([chat("abcd", 0), chat("é" * 4, 1), make_row([{"role": "user", "content": ""}])])
    assert estimated_tokens(rows).tolist() == [4, 5, 0]


def test_quality_weighs_the_gain():
    rows = corpus(200)
    done = select_rows(rows, Select(k=20, quality="score", floor=0.0))
    scores = [json.loads(meta)["score"] for meta in done.rows["meta"]]
    assert 0.0 not in scores
    assert np.mean(scores) > 0.65
    plain = select_rows(rows, Select(k=20, floor=0.0))
    assert np.mean([json.loads(meta)["score"] for meta in plain.rows["meta"]]) < 0.6


@pytest.mark.parametrize("value", ["high", None, -1, [1]])
def test_a_row_without_a_number_to_weigh_it_by_is_named(value):
    rows = frame([chat("a b", 1, score=1), chat("c d", 2, score=value), chat("e f", 3, score=1)])
    with pytest.raises(UserError) as fault:
        select_rows(rows, Select(k=1, quality="score"))
    assert fault.value.where == "s:2: score"


def test_what_was_picked_before_is_not_picked_again():
    rows = corpus(200)
    first = select_rows(rows, Select(k=20))
    again = select_rows(rows, Select(k=20), prior=first.rows)
    assert not set(first.rows["id"]) & set(again.rows["id"])
    assert "densest" not in {t["reason"] for t in about(again.rows)}
    # farthest-first goes on where it was: the two together are the first forty
    forty = select_rows(rows, Select(k=40))
    assert again.notes["all rows"]["last_gain"] <= first.notes["all rows"]["last_gain"]
    assert len(set(forty.rows["id"]) & (set(first.rows["id"]) | set(again.rows["id"]))) > 30


def test_it_ends_early_where_the_next_gain_is_small_and_says_so():
    rows = corpus(200)
    done = select_rows(rows, Select(k=150, min_gain=0.7))
    assert 0 < done.rows.height < 150
    assert min(t["gain"] for t in about(done.rows)) >= 0.7
    assert done.notes["all rows"]["stopped"] == "the next gain is under min_gain"
    assert select_rows(rows, Select(min_gain=0.7)).rows.equals(done.rows)


def test_below_the_floor_is_told_and_never_picked():
    done = select_rows(corpus(200), Select(k=199, floor=0.2))
    assert done.drops["reason"].to_list() == ["below the density floor"] * 40
    assert done.notes["all rows"]["stopped"] == "no more rows above the density floor"


def test_the_prompt_is_compared_or_all():
    turns = [("system", "Be kind."), ("user", "One?"), ("assistant", "Two."), ("user", "Three?")]
    open_ended = [{"role": role, "content": content} for role, content in turns]
    shaped = make_row([{"role": "user", "content": "Say: hello"}], meta='{"shaped_from": "hello"}')
    rows = frame(
        [make_row([*open_ended, {"role": "assistant", "content": "Four."}]), make_row(open_ended), shaped]
    )
    assert compared(rows, "prompt").to_list() == ["One?\nTwo.\nThree?"] * 2 + ["hello"]
    assert compared(rows, "all").to_list() == [
        "One?\nTwo.\nThree?\nFour.",
        "One?\nTwo.\nThree?",
        "Say: hello",
    ]


@pytest.mark.parametrize("method", ["kcenter", "facility", "random"])
@pytest.mark.parametrize("texts", [["", " ", "..."], ["?"] * 5, ["same words here"] * 5, []])
def test_texts_that_cannot_be_told_apart_are_no_trouble(method, texts):
    rows = frame(chat(text, i) for i, text in enumerate(texts))
    assert select_rows(rows, Select(k=2, method=method)).rows.height == min(2, len(texts))


def test_the_note_compares_with_a_random_pick_of_the_same_size():
    note = select_rows(corpus(400), Select(k=15, method="facility")).notes["all rows"]
    assert note["facility"] > note["random_facility"]
    assert note["facility_beats_random"] is True
    assert (note["random_picked"], note["picked"]) == (15, 15)
    same = select_rows(corpus(400), Select(k=15, method="random"))
    by_chance = same.notes["all rows"]
    assert (by_chance["random_coverage"], by_chance["facility_beats_random"]) == (None, None)
    assert by_chance["coverage"] == pytest.approx(note["random_coverage"], abs=0.1)
    assert by_chance["facility"] == pytest.approx(note["random_facility"], abs=0.1)
    assert all("it is random" in line for line in lines(same.notes)[1:])


@pytest.mark.parametrize("method", ["kcenter", "facility"])
def test_the_random_pick_has_the_same_token_budget(method):
    tokens = np.arange(400) % 19 + 1
    note = select_rows(corpus(400), Select(budget_tokens=200, method=method), tokens=tokens).notes["all rows"]
    assert note["tokens"] - 3 <= note["random_tokens"] <= note["tokens"] <= 200


def test_texts_that_are_all_alike_are_covered_and_that_is_a_tie():
    rows = frame(chat("the very same", i) for i in range(9))
    note = select_rows(rows, Select(k=2)).notes["all rows"]
    assert (note["coverage"], note["random_coverage"], note["coverage_beats_random"]) == (1.0, 1.0, None)
    assert "a tie" in lines({"all rows": note})[1]
