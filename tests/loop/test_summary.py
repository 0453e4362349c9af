"""The summary says what the store says, and never mixes scores that do not compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from loop.cli.common import table
from loop.store import insert
from loop.summary import render, score_rows, summarise
from tests.loop.byhand import evaluations, filled


def test_the_whole_of_a_filled_store(tmp_path: Path) -> None:
    workspace, first, second = filled(tmp_path)
    found = summarise(workspace)
    assert [(s["id"], s["rows_in"], s["train"] + s["validation"]) for s in found["snapshots"]] == [
        (first.id, 13, 12),
        (second.id, 14, 14),
    ]
    assert [s["dropped"] for s in found["snapshots"]] == [{"exact duplicate": 1}, {}]
    assert [(s["version"], s["score"][:5]) for s in found["scores"]] == [
        (0, "0.333"),
        (1, "0.667"),
        (2, "1.000"),
    ]
    assert [(d["candidate"], d["decision"]) for d in found["decisions"]] == [(2, "promoted")]
    assert found["example_row"]
    assert all(Path(path).exists() for what, path in found["paths"].items() if what != "models")


def with_evaluations(tmp_path: Path, *more: Any) -> list[dict[str, Any]]:
    workspace, *_ = filled(tmp_path)
    with duckdb.connect(str(workspace.view)) as connection:
        for rows in more:
            insert(connection, "evaluations", rows)
    return summarise(workspace)["scores"]


@pytest.mark.parametrize("other", [{"heldout_version": "grown"}, {"judge": "reference/answer-v2/1"}])
def test_scores_of_another_content_or_judge_are_not_mixed_in(tmp_path: Path, other: dict[str, str]) -> None:
    found = with_evaluations(tmp_path, evaluations({1: [0, 0, 0], 3: [0, 1, 1]}, **other))
    assert [(s["version"], s["items"], s["score"][:5]) for s in found] == [(1, 3, "0.000"), (3, 3, "0.667")]


def test_another_model_is_not_mixed_in(tmp_path: Path) -> None:
    found = with_evaluations(tmp_path, evaluations({1: [0, 0, 0], 9: [0, 0, 0]}, model="other"))
    assert [(s["version"], s["score"][:5]) for s in found] == [(0, "0.333"), (1, "0.667"), (2, "1.000")]


def test_items_without_a_score_are_counted_and_not_averaged() -> None:
    (entry,) = score_rows(evaluations({1: [1.0, None, 0.0, None]}))
    assert (entry["items"], entry["scored"], entry["score"][:5]) == (4, 2, "0.500")
    (nothing,) = score_rows(evaluations({1: [None]}))
    assert (nothing["scored"], nothing["score"]) == (0, "-")


def test_criteria_have_columns_where_there_is_more_than_one() -> None:
    rows = evaluations({1: [1.0, 0.5]}, criteria='{"verdict": 1.0, "category": 0.0}')
    (entry,) = score_rows(rows)
    assert (entry["verdict"][:5], entry["category"][:5]) == ("1.000", "0.000")
    (one,) = score_rows(evaluations({1: [1.0]}, criteria='{"answer": 1.0}'))
    assert "answer" not in one
    assert score_rows(evaluations({})) == []


def test_rendered_it_names_counts_scores_decision_and_paths(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace, first, _ = filled(tmp_path)
    render(summarise(workspace), print, table)
    text = capsys.readouterr().out
    for part in (
        f"snapshot 1 ({first.id}): 13 rows in",
        "exact duplicate",
        "held-out set main",
        "base",
        "gate, cycle 2: v2 against v1: promoted, proven better",
        "view.duckdb",
    ):
        assert part in text
