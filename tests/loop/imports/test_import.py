"""Files into the store: once, whole, without personal data, and whether or not somebody holds the store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from loop.arrivals import waiting
from loop.cli import app
from loop.exports import export_traces
from loop.imports.run import Imported, import_files
from loop.progress import Progress
from loop.store import query, transaction
from tests.loop.byhand import build_workspace, filled, write_lines
from tests.loop.imports.samples import PLAIN, SAMPLES
from tests.loop.processes import python
from tests.loop.test_store_faults import HOLD

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace

TABLES = ("traces", "payloads", "labels", "runs")
ASKED = {"role": "user", "content": "Mail anna.weber@example.org or call +49 30 1234567"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "w").mkdir()
    return build_workspace(tmp_path / "w")


def bring(workspace: Workspace, *objects: dict[str, Any], **options: Any) -> Imported:
    path = write_lines(workspace.root / "in.jsonl", list(objects))
    return import_files(workspace, [path], Progress(quiet=True), **{"patience": 5} | options)


def contents(workspace: Workspace) -> dict[str, list[Any]]:
    return {name: query(workspace.view, f"SELECT * FROM {name} ORDER BY ALL").rows() for name in TABLES}


def bring_all(workspace: Workspace, times: int = 1) -> list[Imported]:
    return [bring(workspace, *objects * times, source=name) for name, (_, objects) in SAMPLES.items()]


def test_importing_twice_changes_nothing(workspace: Workspace) -> None:
    first = bring_all(workspace)
    before = contents(workspace)
    again = bring_all(workspace, 2)
    assert {done.drained for done in first} == {(1, 0, 1, 0, 0)}
    assert {done.drained for done in again} == {(0, 2, 0, 0, 0), (0, 1, 0, 0, 0)}
    assert contents(workspace) == before
    assert waiting(workspace.arrivals) == []


def test_an_empty_array_has_no_trace(workspace: Workspace) -> None:
    (workspace.root / "in.json").write_text("[]\n")
    done = import_files(workspace, [workspace.root / "in.json"], Progress(quiet=True), patience=5)
    assert done.drained == (0, 0, 0, 0, 0)
    assert not any(contents(workspace).values())


def test_two_lines_that_say_the_same_are_one_trace_and_ids_belong_to_a_source(workspace: Workspace) -> None:
    nameless = {k: v for k, v in PLAIN.items() if k != "id"}
    assert bring(workspace, nameless, nameless, PLAIN).drained == (2, 1, 2, 0, 0)
    assert bring(workspace, PLAIN, source="another").drained == (1, 0, 1, 0, 0)


def test_a_label_of_a_whole_run_is_found_at_its_calls_whichever_came_first(workspace: Workspace) -> None:
    score, observation = SAMPLES["langfuse blobs"][1]
    bring(workspace, {k: v for k, v in score.items() if k != "observation_id"})
    bring(workspace, observation)
    assert query(workspace.view, "SELECT name, score, label FROM trace_labels").rows() == [
        ("correctness", 0.9, "good")
    ]


def test_nothing_personal_reaches_the_disk(workspace: Workspace) -> None:
    line = PLAIN | {
        "messages": [ASKED],
        "output": "anna.weber@example.org",
        "user_id": "anna.weber@example.org",
    }
    line |= {
        "comment": "ask anna.weber@example.org",
        "tags": ["anna.weber@example.org"],
        "extra": {"to": ["anna.weber@example.org"]},
    }
    bring(workspace, line)
    found = query(workspace.view, "SELECT messages, output, user_id, tags FROM traces").to_dicts()[0]
    assert json.loads(found["messages"])[0]["content"] == "Mail [EMAIL] or call [PHONE]"
    assert (found["output"], found["tags"]) == ("[EMAIL]", ["[EMAIL]"])
    assert found["user_id"].startswith("hash-")
    for path in workspace.hidden.rglob("*"):
        assert path.is_dir() or b"anna.weber" not in path.read_bytes(), path


def test_what_cannot_be_stored_now_waits_and_comes_in_later(workspace: Workspace) -> None:
    with transaction(workspace.store):
        pass
    holder = python(HOLD, workspace.store)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    try:
        done = bring(workspace, PLAIN, patience=0.2)
        assert done.drained is None
        assert f"process {holder.pid}" in done.held
        assert len(waiting(workspace.arrivals)) == 1
    finally:
        holder.communicate("")
    ran = CliRunner().invoke(app, ["publish", "-w", str(workspace.root), "--json"])
    stored = {"traces": 1, "known": 0, "labels": 1, "changed": 0, "apart": 0}
    assert json.loads(ran.stdout)["stored"] == stored
    assert waiting(workspace.arrivals) == []


ASIS = (
    "messages, output, model, user_id, conversation_id, workload, tags, prompt_tokens, output_tokens,"
    " latency, cost, finish_reason, sampling, time"
)


def test_exported_chats_come_in_again_as_they_went_out(workspace: Workspace, tmp_path: Path) -> None:
    bring_all(workspace)
    assert export_traces(workspace.view, tmp_path / "out.jsonl", "chat", "true") == len(SAMPLES)
    (tmp_path / "other").mkdir()
    other = build_workspace(tmp_path / "other")
    done = import_files(other, [tmp_path / "out.jsonl"], Progress(quiet=True), patience=5)
    assert (done.formats, done.unmapped) == ({str(tmp_path / "out.jsonl"): "jsonl"}, {})
    there = query(other.view, f"SELECT event, {ASIS} FROM traces ORDER BY ALL").rows()
    assert there == query(workspace.view, f"SELECT event, {ASIS} FROM traces ORDER BY ALL").rows()
    before = contents(workspace)
    bring_back = import_files(workspace, [tmp_path / "out.jsonl"], Progress(quiet=True), patience=5)
    assert bring_back.drained == (0, len(SAMPLES), 0, 0, 0)
    assert contents(workspace) == before


def test_preferences_are_the_corrected_beside_the_bad_answer(tmp_path: Path) -> None:
    workspace = filled(tmp_path / "w")[0]
    assert export_traces(workspace.view, tmp_path / "p.jsonl", "preferences", "true") == 1
    (pair,) = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert pair["prompt"] == [{"role": "user", "content": "Who painted Guernica?"}]
    assert pair["chosen"] == [{"role": "assistant", "content": "Picasso"}]
    assert pair["rejected"] == [{"role": "assistant", "content": "Monet"}]
    assert (pair["trace"], pair["score"]) == ("trace-p2", 0.0)


def test_verdicts_go_out_as_evaluation_events_and_come_in_as_labels(tmp_path: Path) -> None:
    workspace = filled(tmp_path / "w")[0]
    assert export_traces(workspace.view, tmp_path / "e.jsonl", "evaluations", "true") == 4
    done = import_files(workspace, [tmp_path / "e.jsonl"], Progress(quiet=True), patience=5, source="test")
    assert (done.formats[str(tmp_path / "e.jsonl")], done.labels) == ("otlp", 4)
    labels = query(workspace.view, "SELECT author, score, label, comment FROM labels ORDER BY ALL").rows()
    verdicts = "SELECT judge, score, state, feedback FROM verdicts ORDER BY ALL"
    assert labels == query(workspace.view, verdicts).rows()


def test_a_table_of_traces_as_parquet(tmp_path: Path) -> None:
    import polars as pl

    workspace = filled(tmp_path / "w")[0]
    assert export_traces(workspace.view, tmp_path / "t.parquet", "parquet", "event LIKE '%p1'") == 1
    assert pl.read_parquet(tmp_path / "t.parquet")["id"].to_list() == ["trace-p1"]


def test_the_commands_tell_what_they_did(workspace: Workspace, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", [PLAIN | {"zz": 1}])
    path.write_text(path.read_text() + '{"id": 1}\n')
    place = ["-w", str(workspace.root)]
    ran = CliRunner().invoke(
        app, ["trace", "import", *place, str(path), "--rejects", str(tmp_path / "r.jsonl")]
    )
    assert ran.exit_code == 3
    for part in (
        "jsonl",
        "1 model calls, 1 labels",
        "in.jsonl:2: neither",
        "zz (1)",
        "stored: 1 new, 0 known",
    ):
        assert part in ran.stdout
    assert json.loads((tmp_path / "r.jsonl").read_text())["line"] == 2
    ran = CliRunner().invoke(app, ["trace", "export", *place, "-o", str(tmp_path / "c.jsonl"), "--json"])
    assert json.loads(ran.stdout)["written"] == 1
    options = ["-o", str(tmp_path / "t.parquet"), "--to", "parquet", "--where", "event = '7'"]
    assert CliRunner().invoke(app, ["trace", "export", *place, *options]).exit_code == 0
    ran = CliRunner().invoke(app, ["sql", *place, "select count(*) as n from traces"])
    assert "copy of the store from" in ran.stderr
