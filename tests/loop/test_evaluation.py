"""Scores in the store: which are complete, and which the gate pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from curation.heldout import freeze
from curation.rows import frame, make_row
from loop.evaluation import HeldoutScores, is_evaluated, stored_scores
from loop.steps.gate import mean, pair
from loop.store import insert, transaction
from tests.loop.byhand import JUDGE, evaluations

if TYPE_CHECKING:
    from pathlib import Path

SET = freeze("main", frame(make_row([{"role": "user", "content": c}]) for c in "ab"))


def scores(
    values: list[float | None], items: list[str] | None = None, tags: list[list[str]] | None = None
) -> HeldoutScores:
    return HeldoutScores(
        items or [chr(97 + i) for i in range(len(values))], values, tags or [[] for _ in values]
    )


@pytest.mark.parametrize(
    ("stored", "there"),
    [
        (evaluations({1: [1.0, None]}, heldout_version=SET.version), True),
        (evaluations({1: [1.0]}, heldout_version=SET.version), False),
        (evaluations({2: [1.0, 1.0]}, heldout_version=SET.version), False),
        (evaluations({1: [1.0, 1.0]}, heldout_version="older"), False),
        (evaluations({1: [1.0, 1.0]}, heldout_version=SET.version, judge="another"), False),
        (evaluations({1: [1.0, 1.0]}, heldout_version=SET.version, model="another"), False),
    ],
)
def test_evaluated_means_every_item_by_this_judge_on_this_content(
    tmp_path: Path, stored, there: bool
) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        insert(connection, "evaluations", stored)
        assert is_evaluated(connection, "model", 1, SET, JUDGE, "setup") is there


def test_stored_scores_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        rows = evaluations({1: [0.5, None], 2: [1.0, 1.0]}, heldout_version=SET.version)
        insert(connection, "evaluations", rows.reverse())
        found = stored_scores(connection, "model", 1, SET, JUDGE, "setup")
    assert found == HeldoutScores(["a", "b"], [0.5, None], [["quiz"], ["quiz"]])


def test_items_are_paired_by_id_whatever_their_order() -> None:
    new = scores([1.0, 0.5, 0.0], ["a", "b", "c"])
    old = scores([0.5, 0.0, 0.0], ["c", "b", "a"])
    assert pair([(new, old)])[0] == [1.0, 0.5, -0.5]


def test_items_without_a_score_from_both_are_left_out() -> None:
    new = scores([1.0, None, 1.0, 1.0], ["a", "b", "c", "new"])
    old = scores([0.0, 0.0, None], ["a", "b", "c"])
    assert pair([(new, old)])[0] == [1.0]


def test_several_targets_are_pooled() -> None:
    differences, _ = pair([(scores([1.0]), scores([0.0])), (scores([0.0]), scores([1.0]))])
    assert differences == [1.0, -1.0]


def test_a_slice_is_a_tag_with_at_least_five_items() -> None:
    tags = [["all", "rare"] if i < 4 else ["all"] for i in range(5)]
    new, old = scores([1.0, 1.0, 1.0, 1.0, 0.0], tags=tags), scores([0.0] * 5, tags=tags)
    assert pair([(new, old)])[1] == {"all": pytest.approx(0.8)}


@pytest.mark.parametrize("targets", [[], [(scores([None]), scores([1.0]))]])
def test_nothing_to_pair_is_an_error(targets) -> None:
    with pytest.raises(UserError, match="no held-out item") as caught:
        pair(targets)
    assert "regrind sql" in caught.value.fix


def test_the_mean_is_of_the_scores_that_there_are() -> None:
    assert mean(scores([1.0, None, 0.5])) == 0.75
    assert mean(scores([None])) == 0.0
