"""A frame of items to a judge gives a frame of verdicts in their order."""

from __future__ import annotations

import polars as pl

from judge.frames import judge_frame
from judge.panel import Member, Panel
from judge.reference import ReferenceJudge
from judge.verdict import VERDICTS
from loop.spool import Memory

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
    verdicts = judge_frame(items, judge, Memory())
    assert verdicts.schema == VERDICTS
    assert verdicts.select("item_id", "state", "score").rows() == [
        ("b", "scored", 1.0),
        ("a", "scored", 0.0),
        ("c", "failed", None),
    ]
    voted = judge_frame(items, Panel([Member(judge), Member(other)]), Memory())
    assert voted["score"].to_list() == [1.0, 0.0, None]


def test_without_references_and_without_rows(rubrics):
    items = pl.DataFrame({"id": ["a"], "messages": [TURNS], "output": ["x"]})
    judge = ReferenceJudge(rubrics["format"])
    assert judge_frame(items, judge, Memory())["score"].to_list() == [0.0]
    assert judge_frame(items.clear(), judge, Memory()).schema == VERDICTS
