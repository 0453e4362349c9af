"""From one id to everything that touched it, on a store filled by hand."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import duckdb
import pytest

from curation.errors import UserError
from loop.explain import explain
from loop.store import query
from loop.story import story
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
    by_row = explain(workspace, row_of(workspace, "trace = 'trace-p2'"))
    assert explain(workspace, "trace-p2") == by_row | {"kind": "trace"}
    assert by_row["rows"] == [{"row_id": by_row["row"]}]
    assert [p["decision"] for p in by_row["promotions"]] == ["promoted"]


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


def test_a_snapshot_leads_up_to_its_traces_and_down_to_its_models(workspace: Workspace) -> None:
    older, newer = query(workspace.view, "SELECT id FROM snapshots ORDER BY created")["id"].to_list()
    found = explain(workspace, newer[:8])
    assert (found["kind"], found["parents"], found["children"]) == ("snapshot", [{"id": older}], [])
    assert [(t["model"], t["version"], t["traces"]) for t in found["learned_from"]] == [("model", 1, 2)]
    assert sum(o["rows"] for o in found["origins"] if o["origin"] == "correction") == 1
    assert [(m["version"], m["status"]) for m in found["models"]] == [(2, "production")]
    assert explain(workspace, older)["children"] == [{"id": newer}]
    lines = "\n".join(story(found))
    for part in (
        f"grew from {older}",
        "2 traces of model v1 in cycle 2",
        "trained into model v2 (production)",
    ):
        assert part in lines


@pytest.mark.parametrize("name", ["v1", "model:1", "model:v1"])
def test_a_model_leads_up_to_its_snapshot_and_down_to_what_it_taught(workspace: Workspace, name: str) -> None:
    older, newer = query(workspace.view, "SELECT id FROM snapshots ORDER BY created")["id"].to_list()
    found = explain(workspace, name)
    assert (found["kind"], found["models"][0]["snapshot"]) == ("model", older)
    assert [(e["heldout"], e["items"]) for e in found["evaluations"]] == [("main", 3)]
    assert [(p["candidate"], p["incumbent"]) for p in found["promotions"]] == [(2, 1)]
    assert [(s["cycle"], s["traces"]) for s in found["said"]] == [(2, 4)]
    assert found["taught"] == [{"snapshot": newer, "rows": 2}]
    lines = "\n".join(story(found))
    for part in (
        f"trained on snapshot {older}",
        "scored 0.667 on main",
        "v2 against v1, promoted",
        "said 4 traces",
    ):
        assert part in lines


def test_children_and_parents_are_named(tmp_path: Path) -> None:
    workspace, *_ = filled(tmp_path)
    parent, child = (row_of(workspace, f"source = 'seed.jsonl' AND line = {n}") for n in (1, 2))
    with duckdb.connect(str(workspace.view)) as connection:
        connection.execute("UPDATE layer_rows SET parents = [?] WHERE row_id = ?", [parent, child])
    assert f"made from row {parent}" in "\n".join(story(explain(workspace, child)))
    assert f"parent of row {child}" in "\n".join(story(explain(workspace, parent)))


def test_the_story_goes_on_where_a_snapshots_files_are_gone(tmp_path: Path) -> None:
    workspace, first, second = filled(tmp_path)
    seed = row_of(workspace, "source = 'seed.jsonl' AND line = 3")
    corrected = row_of(workspace, "trace = 'trace-p2'")
    shutil.rmtree(workspace.snapshots / first.id)
    assert explain(workspace, seed)["no_text"] is None  # the newer snapshot has it, too
    shutil.rmtree(workspace.snapshots / second.id)
    for row in (seed, corrected):
        found = explain(workspace, row)
        assert (found["prompt"], found["answer"]) == (None, None)
        assert second.id in found["no_text"]
        assert "its text is not there" in "\n".join(story(found))
        assert found["models"]
    assert [c["output"] for c in found["corrections"]] == ["Picasso"]


@pytest.mark.parametrize(
    ("beginning", "problem"), [("trace-p", "4 rows, traces or snapshots"), ("zzz", "nothing begins")]
)
def test_an_id_that_is_not_one_thing(workspace: Workspace, beginning: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        explain(workspace, beginning)
    assert "regrind sql" in caught.value.fix
