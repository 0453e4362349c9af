"""A frame of items to a judge gives a frame of verdicts in their order."""

from __future__ import annotations

import json

import polars as pl
import pytest

from judge.budget import Budget
from judge.frames import ITEMS, VERDICTS, item_frame, items_of, judge_frame
from judge.panel import Member, Panel
from judge.protocol import Forecast
from judge.reference import ReferenceJudge
from judge.verdict import Item, Verdict, content_key
from loop.spool import Memory
from tests.judge.judges import verdict_frame

TURNS = [{"role": "user", "content": "Which city?"}]


def test_a_frame_in_a_frame_out(rubrics):
    items = pl.DataFrame(
        {
            "id": ["b", "a", "c"],
            "messages": [TURNS] * 3,
            "output": ["Paris", "Rome", "x"],
            "reference": ["paris", "Paris", None],
            "more": [1, 2, 3],
        }
    )
    judge, other = ReferenceJudge(rubrics["answer"]), ReferenceJudge(rubrics["general"])
    verdicts = judge_frame(items, judge, Memory()).verdicts
    assert verdicts.schema == VERDICTS
    assert verdicts.select("item_id", "state", "score").rows() == [
        ("b", "scored", 1.0),
        ("a", "scored", 0.0),
        ("c", "failed", None),
    ]
    voted = judge_frame(items, Panel([Member(judge), Member(other)]), Memory()).verdicts
    assert voted["score"].to_list() == [1.0, 0.0, None]


def test_without_references_and_without_rows(rubrics):
    items = pl.DataFrame({"id": ["a"], "messages": [TURNS], "output": ["x"]})
    judge = ReferenceJudge(rubrics["format"])
    assert judge_frame(items, judge, Memory()).verdicts["score"].to_list() == [0.0]
    assert judge_frame(items.clear(), judge, Memory()).verdicts.schema == VERDICTS


def test_items_go_into_a_frame_and_come_out_unchanged():
    items = [Item("a", TURNS, "Paris", None), Item("b", [], "", "x")]
    assert item_frame(items).schema == ITEMS
    assert items_of(item_frame(items)) == items


def test_a_verdict_has_its_content_key():
    item, scored = Item("t1", TURNS, "x"), Verdict("t1", "j", 0, "scored", 0.7, {"answer": 0.7}, cost=0.01)
    table = verdict_frame([scored, Verdict("t1", "k", 0, "failed")], [item, item])
    assert table.schema == VERDICTS
    assert table["key"].to_list() == [content_key(item, "j", 0), content_key(item, "k", 0)]
    assert table["score"].to_list() == [0.7, None]
    assert json.loads(table["criteria"][0]) == {"answer": 0.7}


def test_what_the_budget_does_not_reach_is_a_frame_of_items(rubrics):
    items = item_frame([Item(str(i), TURNS, f"says {i}", "x") for i in range(3)])
    found = judge_frame(items, Costly(rubrics["answer"]), Memory(), budget=Budget(cost=1.0))
    assert found.undone.equals(items)
    assert (found.verdicts.height, found.cost_known) == (0, True)


def test_an_id_stands_once(rubrics):
    twice = item_frame([Item("a", TURNS, "x"), Item("a", TURNS, "y")])
    with pytest.raises(ValueError, match="twice"):
        judge_frame(twice, ReferenceJudge(rubrics["format"]), Memory())


class Costly(ReferenceJudge):
    def forecast(self, item: Item) -> Forecast:
        return Forecast(most_cost=2.0)
