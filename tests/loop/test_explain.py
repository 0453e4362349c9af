"""From one id to everything that touched it, on a store filled by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pytest

from curation.errors import UserError
from loop.explain import explain, story
from loop.store import query
from tests.loop.byhand import JUDGE, filled

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return filled(tmp_path_factory.mktemp("explain"))[0]


def row_of(workspace: Workspace, condition: str) -> str:
    return str(query(workspace.view, f"SELECT row_id FROM membership WHERE {condition}")["row_id"][0])


def test_a_corrected_row_leads_to_trace_verdict_correction_snapshot_and_model(workspace: Workspace) -> None:
    found = explain(workspace, row_of(workspace, "trace = 'trace-p2'"))
    (snapshot,) = query(workspace.view, "SELECT id FROM snapshots WHERE cycle = 2")["id"]
    assert (found["trace"], found["prompt"], found["answer"]) == (
        "trace-p2",
        "Who painted Guernica?",
        "Picasso",
    )
    assert [t["output"] for t in found["traces"]] == ["Monet"]
    assert [(v["judge"], v["score"]) for v in found["verdicts"]] == [(JUDGE, 0.0)]
    assert [(c["author"], c["state"], c["output"]) for c in found["corrections"]] == [
        ("reference", "accepted", "Picasso")
    ]
    assert [(s["snapshot"], s["origin"]) for s in found["snapshots"]] == [(snapshot, "correction")]
    assert [(m["version"], m["status"]) for m in found["models"]] == [(2, "production")]


def test_a_trace_leads_to_the_same_story_as_its_row(workspace: Workspace) -> None:
    assert explain(workspace, "trace-p2") == explain(workspace, row_of(workspace, "trace = 'trace-p2'"))


def test_the_beginning_of_an_id_will_do(workspace: Workspace) -> None:
    identity = row_of(workspace, "trace = 'trace-p1'")
    assert explain(workspace, identity[:10])["row"] == identity


def test_a_seed_row_has_its_line_and_all_its_snapshots_oldest_first(workspace: Workspace) -> None:
    found = explain(workspace, row_of(workspace, "source = 'seed.jsonl' AND line = 3"))
    ordered = query(workspace.view, "SELECT id FROM snapshots ORDER BY created")["id"].to_list()
    assert [s["snapshot"] for s in found["snapshots"]] == ordered
    assert {(s["source"], s["line"]) for s in found["snapshots"]} == {("seed.jsonl", 3)}
    assert [m["version"] for m in found["models"]] == [1, 2]
    assert (found["trace"], found["traces"], found["verdicts"]) == (None, [], [])


def test_a_dropped_row_names_the_row_it_lost_to(workspace: Workspace) -> None:
    found = explain(workspace, str(query(workspace.view, "SELECT row_id FROM drops")["row_id"][0]))
    (drop,) = found["drops"]
    assert (drop["reason"], drop["line"], drop["partner_line"]) == ("exact duplicate", 13, 1)
    assert "for row" in "\n".join(story(found))


def test_a_rejected_correction_has_a_trace_and_no_row(workspace: Workspace) -> None:
    found = explain(workspace, "trace-p4")
    assert (found["row"], found["prompt"], found["snapshots"]) == (None, None, [])
    assert [(c["state"], c["reason"]) for c in found["corrections"]] == [("rejected", "no good")]


def test_the_story_in_lines(workspace: Workspace) -> None:
    lines = "\n".join(story(explain(workspace, "trace-p2")))
    for part in (
        "from trace trace-p2",
        "'Monet'",
        "0.00",
        "compared",
        "corrected by reference, accepted",
        "v2",
    ):
        assert part in lines
    assert "failed" in "\n".join(story(explain(workspace, "trace-p3")))


def test_children_and_parents_are_named(tmp_path: Path) -> None:
    workspace, *_ = filled(tmp_path)
    parent, child = (row_of(workspace, f"source = 'seed.jsonl' AND line = {n}") for n in (1, 2))
    with duckdb.connect(str(workspace.view)) as connection:
        connection.execute("UPDATE membership SET parents = [?] WHERE row_id = ?", [parent, child])
    assert f"made from row {parent}" in "\n".join(story(explain(workspace, child)))
    assert f"parent of row {child}" in "\n".join(story(explain(workspace, parent)))


@pytest.mark.parametrize(
    ("beginning", "problem"), [("trace-p", "4 rows or traces"), ("zzz", "nothing begins")]
)
def test_an_id_that_is_not_one_thing(workspace: Workspace, beginning: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        explain(workspace, beginning)
    assert "regrind sql" in caught.value.fix
