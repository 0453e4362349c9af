"""Rows that differ in a label or a preference are no duplicates; other fields do not count."""

from __future__ import annotations

import json

import polars as pl
import pytest

from curation.dedup import How, drop_duplicates, drop_known
from curation.known import drop_against, index_rows
from curation.labels import is_label, labels
from curation.rows import frame
from tests.curation.test_dedup import chat

PROMPT = "Tell me in a few words what you think of the plan that we made in the spring"
ANSWER = "I think that it is a good plan, and that we should begin with it at once"


def row(line: int, meta: dict, prompt: str = PROMPT, answer: str = ANSWER) -> dict:
    return chat(prompt, answer, line, meta=json.dumps(meta, sort_keys=True))


def pair(one: dict, other: dict) -> pl.DataFrame:
    return frame([row(1, one), row(2, other)])


DIFFER = [
    ({"label": True}, {"label": False}),
    ({"rejected": "yes of course"}, {"rejected": "perhaps tomorrow"}),
    ({"Label": "safe"}, {}),
    ({"meta": {"category": "a"}}, {"meta": {"category": "b"}}),
    ({"toxicity_label": 0}, {"toxicity_label": 1}),
    ({"chosen": [{"content": "x"}]}, {"chosen": [{"content": "y"}]}),
]
SAME = [
    ({"label": True, "score": 1}, {"label": True, "score": 0.5}),
    ({"label": None}, {}),
    ({"id": 1, "source": "a", "time": 3, "licence": "MIT", "tags": ["label"]}, {"id": 2}),
    ({"labeller": "ada", "note": "label"}, {"labeller": "bob"}),
]


@pytest.mark.parametrize(("one", "other"), DIFFER)
@pytest.mark.parametrize("how", [How(), How(on="all"), How(mode="connected")])
def test_another_label_is_a_conflict(one, other, how):
    done = drop_duplicates(pair(one, other), how)
    assert done.drops.height == 0
    (found,) = done.conflicts.select("labels", "partner_labels", "similarity").rows()
    assert {*found[:2]} == {
        None if not v else json.dumps(flat(v), separators=(",", ":")) for v in (one, other)
    }
    assert found[2] == 1
    assert drop_duplicates(pair(one, other), How(near=False)).drops.height == 0


def flat(meta: dict) -> dict:
    return {f"meta.{k}": v for k, v in meta["meta"].items()} if "meta" in meta else meta


@pytest.mark.parametrize(("one", "other"), SAME)
def test_other_fields_do_not_count(one, other):
    done = drop_duplicates(pair(one, other))
    assert done.drops["reason"].to_list() == ["exact duplicate"]
    assert done.conflicts.height == 0


@pytest.mark.parametrize("how", [How(), How(on="all")])
def test_near_duplicates_with_other_labels_contradict_each_other(how):
    prompts = [PROMPT + " " + end for end in ("again", "once more", "please")]
    rows = frame(row(i, {"label": i == 1}, prompt) for i, prompt in enumerate(prompts))
    done = drop_duplicates(rows, how)
    assert done.drops["reason"].to_list() == ["near duplicate"]
    assert {done.drops["line"][0], done.drops["partner_line"][0]} == {0, 2}
    assert done.conflicts.height == 1


@pytest.mark.parametrize(
    ("policy", "kept"), [("report", 2), ("keep_all", 2), ("keep_best", 1), ("drop_all", 0)]
)
def test_policies_apply_in_any_order_of_the_file(policy, kept):
    rows = pair({"label": "safe"}, {"label": "unsafe"})
    turned = rows.reverse().with_columns(line=pl.Series([1, 2]))
    done, again = (drop_duplicates(r, How(conflicts=policy)) for r in (rows, turned))
    assert done.rows.height == kept
    assert set(done.rows["meta"]) == set(again.rows["meta"])
    assert set(done.drops["reason"]) == ({"conflicting label"} if kept < 2 else set())


def test_which_copy_stays_does_not_depend_on_the_order():
    rows = pair({"source": "b"}, {"source": "a"})
    turned = rows.reverse().with_columns(line=pl.Series([1, 2]))
    assert drop_duplicates(rows).rows["meta"].to_list() == drop_duplicates(turned).rows["meta"].to_list()


def test_a_new_row_with_another_label_than_an_old_one_stays():
    old = frame([row(1, {"label": True}), row(2, {"label": False}, answer="No")])
    new = frame([row(3, {"label": False}), row(4, {"label": True}), row(5, {})])
    for done in (drop_known(old, new), drop_against(index_rows(old, How()), new, How()).found):
        assert done.drops.select("line", "partner_line", "reason").rows() == [(4, 1, "exact duplicate")]
        assert set(done.rows["line"]) == {3, 5}


def test_a_field_named_twice_is_not_lost():
    said = labels(pl.Series(['{"label":1,"meta":{"label":2},"Label":3}', '{"a":"label"}', "{}"]))
    assert said.to_list() == ['{"Label":3,"label":1,"meta.label":2}', None, None]
    assert is_label("Gold_Label")
    assert not is_label("score_rejected")
