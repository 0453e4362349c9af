"""Rows are selected by task or by quota, within limits, and each says why it was kept or dropped."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from curation.errors import UserError
from curation.rows import frame, make_row
from curation.selection.columns import compared, estimated_tokens
from curation.selection.rows import select_rows
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


def test_all_are_kept_as_they_are_when_all_fit():
    rows = corpus()
    for step in (Select(), Select(k=60), Select(k=99), Select(quotas={"a": 7}, share=0)):
        done = select_rows(rows.with_columns(tags=pl.lit(["a"])) if step.quotas else rows, step)
        assert done.rows.height == (7 if step.quotas else 60)
    assert select_rows(rows, Select()).rows.equals(rows)
    assert select_rows(rows, Select()).notes == {}


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
    assert spent == done.notes["all"]["tokens"] <= 31
    assert tokens[done.drops["line"].to_numpy()].min() > 31 - spent
    assert done.notes["all"]["stopped"] == "token budget spent"


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
    assert again.notes["all"]["last_gain"] <= first.notes["all"]["last_gain"]
    assert len(set(forty.rows["id"]) & (set(first.rows["id"]) | set(again.rows["id"]))) > 30


def test_it_ends_early_where_the_next_gain_is_small_and_says_so():
    rows = corpus(200)
    done = select_rows(rows, Select(k=150, min_gain=0.7))
    assert 0 < done.rows.height < 150
    assert min(t["gain"] for t in about(done.rows)) >= 0.7
    assert done.notes["all"]["stopped"] == "the next gain is under min_gain"
    assert select_rows(rows, Select(min_gain=0.7)).rows.equals(done.rows)


def test_below_the_floor_is_told_and_never_picked():
    done = select_rows(corpus(200), Select(k=199, floor=0.2))
    assert done.drops["reason"].to_list() == ["below the density floor"] * 40
    assert done.notes["all"]["stopped"] == "no more rows above the density floor"


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
    note = select_rows(corpus(400), Select(k=15, method="facility")).notes["all"]
    assert note["facility"] > note["random_facility"]
    assert note["facility_beats_random"] is True
    same = select_rows(corpus(400), Select(k=15, method="random")).notes["all"]
    assert (same["coverage"], same["facility_beats_random"]) == (same["random_coverage"], False)
    assert (same["coverage"], same["facility"]) == (note["random_coverage"], note["random_facility"])
