"""Panels: who abstains does not vote, a quorum is needed, a tie is no score."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import UserError
from judge.budget import Budget
from judge.estimate import estimate
from judge.identity import Identity
from judge.panel import Member, Panel
from judge.protocol import Forecast
from judge.run import judge_items
from judge.verdict import Item, Verdict
from loop.spool import Memory

ITEMS = [Item(f"t{i}", [], f"a{i}", None) for i in range(3)]


class Fixed:
    """A judge that says the same about every item."""

    def __init__(self, name: str, state="scored", score=None) -> None:
        self.identity = Identity("fixed", name, "r", 1, {})
        self.state, self.score = state, score
        self.asked = 0

    def verdicts(self, items):
        for item in items:
            self.asked += 1
            verdict = Verdict(
                item.id, self.identity.id, 0, self.state, self.score, feedback=self.state, cost=0.01
            )
            yield [verdict]

    def forecast(self, item: Item) -> Forecast:
        return Forecast(1, 1, 0.01, 2, 0.01)


def panel(*scores, **rule) -> Panel:
    """A panel of judges with these scores, or states, and equal weights."""
    judges = [
        Fixed(f"j{i}", score, None) if isinstance(score, str) else Fixed(f"j{i}", score=score)
        for i, score in enumerate(scores)
    ]
    return Panel([Member(judge) for judge in judges], **rule)


def said(a_panel: Panel) -> Verdict:
    return judge_items(ITEMS, a_panel, Memory()).verdicts[0]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0, 0.9, 0.0], 1.0),
        ([0.4, 0.9, 0.0], 0.0),
        ([1.0, 0.0], None),
        ([1.0, "refused", 0.9], 1.0),
        ([1.0, "failed", 0.0], None),
        (["failed", "refused", 1.0], None),
        (["failed"], None),
    ],
)
def test_a_strict_majority_of_those_that_vote(scores, expected):
    verdict = said(panel(*scores, quorum=0.5))
    assert verdict.score == expected
    assert (verdict.state == "scored") is (expected is not None)


def test_weights_count():
    low, high = Fixed("low", score=0.0), Fixed("high", score=1.0)
    assert said(Panel([Member(low, 3.0), Member(high, 1.0)], "majority")).score == 0.0
    assert said(Panel([Member(low, 3.0), Member(high, 1.0)], "mean")).score == 0.25


@pytest.mark.parametrize(("quorum", "state"), [(0.5, "scored"), (0.7, "failed")])
def test_without_a_quorum_there_is_no_score(quorum, state):
    verdict = said(panel(1.0, 1.0, "failed", rule="mean", quorum=quorum))
    assert verdict.state == state
    assert "failed" in verdict.raw


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_a_mean_stays_between_the_scores(scores):
    score = said(panel(*scores, rule="mean")).score
    assert min(scores) - 1e-12 <= score <= max(scores) + 1e-12


def test_every_member_is_asked_once_and_kept_on_its_own():
    memory, a_panel = Memory(), panel(1.0, 0.8, "refused")
    first = judge_items(ITEMS, a_panel, memory)
    again = judge_items(ITEMS, a_panel, memory)
    assert [member.judge.asked for member in a_panel.members] == [3, 3, 3]
    assert (first.asked, again.asked) == (9, 0)
    assert first.cost == pytest.approx(0.09)
    assert len(memory) == 9
    assert [v.item_id for v in first.verdicts] == ["t0", "t1", "t2"]
    assert [vote[1] for vote in json.loads(first.verdicts[0].raw)] == ["scored", "scored", "refused"]
    assert first.verdicts[0].cost == 0


def test_the_identity_follows_members_weights_and_rule():
    judge = Fixed("j", score=1.0)
    panels = [Panel([Member(judge)]), Panel([Member(judge, 2.0)]), Panel([Member(judge)], "mean")]
    panels += [Panel([Member(judge)], quorum=0.9), Panel([Member(Fixed("k", score=1.0))])]
    assert len({one.identity.id for one in panels}) == 5


def test_a_tie_is_one_in_spite_of_rounding():
    members = [
        Member(Fixed("a", score=1.0), 0.1),
        Member(Fixed("b", score=0.5), 0.2),
        Member(Fixed("c", score=0.0), 0.3),
    ]
    (verdict,) = judge_items(ITEMS[:1], Panel(members, "majority"), Memory()).verdicts
    assert verdict.state == "unparsable"


def test_the_same_judge_twice_is_no_panel():
    with pytest.raises(UserError, match="the same judge"):
        Panel([Member(Fixed("a", score=1.0)), Member(Fixed("a", score=1.0), 2.0)])


@pytest.mark.parametrize(("limit", "done"), [(0.02, 0), (0.03, 1), (0.065, 2), (0.09, 3)])
def test_a_budget_is_shared_item_by_item(limit, done):
    """Each member takes $0.01 an item, and so much at most."""
    a_panel, memory = panel(1.0, 0.8, 0.9), Memory()
    ran = judge_items(ITEMS, a_panel, memory, budget=Budget(cost=limit))
    assert [v.item_id for v in ran.verdicts] == [f"t{i}" for i in range(done)]
    assert [member.judge.asked for member in a_panel.members] == [done] * 3
    assert [item.id for item in ran.undone] == [f"t{i}" for i in range(done, 3)]
    rest = judge_items(ITEMS, a_panel, memory, budget=Budget(cost=0.09))
    assert (len(rest.verdicts), rest.asked) == (3, 9 - 3 * done)


def test_rounds_use_what_members_did_not_take():
    a_panel = panel(1.0, 0.8)
    for member in a_panel.members:
        member.judge.forecast = lambda _: Forecast(1, 1, 0.01, 2, 0.02)
    ran = judge_items(ITEMS, a_panel, Memory(), budget=Budget(cost=0.0601))
    assert [v.item_id for v in ran.verdicts] == ["t0", "t1"]
    assert ran.cost == pytest.approx(0.04)


def test_an_estimate_counts_items_and_askings():
    found = estimate(ITEMS, panel(1.0, 0.8), Memory())
    assert (found.items, found.asked, found.cost) == (3, 6, pytest.approx(0.06))
