"""Requests, their calls and what was said of them find each other in the store, in any order of files."""

from __future__ import annotations

import itertools
import json
import os
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from loop import arrivals
from loop.deletion import Choice, delete_traces
from loop.exports import export_traces
from loop.imports.batch import LABELS, PAYLOADS, RUNS, TRACES, Batch
from loop.imports.run import import_files
from loop.progress import Progress
from loop.store import query
from tests.loop.byhand import build_workspace, write_lines
from tests.loop.imports.samples import ASKED, COMMON, EVALUATION, PLAIN, SAID, attributes, logs, span

if TYPE_CHECKING:
    from pathlib import Path

    from loop.imports.run import Imported
    from loop.workspace import Workspace

RUN = {"id": "t1", "timestamp": "2025-01-02T03:04:05.000Z", "name": "support", "userId": "u-17"}
RUN |= {"sessionId": "s1", "tags": ["a"], "projectId": "p", "release": "7"}
CALL = {"id": "o1", "traceId": "t1", "type": "GENERATION", "name": "chat", "model": "m-1"}
CALL |= {"startTime": "2025-01-02T03:04:05.000Z", "input": ASKED, "output": SAID}
SCORE = {"id": "s1", "traceId": "t1", "observationId": "o1", "name": "rating", "value": 0.3}
SCORE |= {"dataType": "NUMERIC", "source": "ANNOTATION", "timestamp": "2025-01-02T04:00:00Z"}
WHO = "SELECT user_id, conversation_id, workload, tags FROM traces"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return build_workspace(tmp_path / "w")


def bring(workspace: Workspace, *files: list[dict[str, Any]], **options: Any) -> Imported:
    paths = [write_lines(workspace.root / f"{n}.jsonl", lines) for n, lines in enumerate(files)]
    return import_files(workspace, paths, Progress(quiet=True), patience=5, **options)


@pytest.mark.parametrize("order", list(itertools.permutations([RUN, CALL, SCORE])))
def test_a_call_knows_the_user_of_its_request(
    workspace: Workspace, order: tuple[dict[str, Any], ...]
) -> None:
    bring(workspace, *[[record] for record in order[:2]], form="langfuse")
    bring(workspace, [order[2]], form="langfuse")
    assert query(workspace.view, WHO).rows() == [("u-17", "s1", "support", ["a"])]
    assert query(workspace.view, "SELECT score FROM trace_labels").rows() == [(0.3,)]
    done = delete_traces(workspace, Choice("u-17", None))
    assert {name: done.deleted[name] for name in ("traces", "labels", "runs")} == {
        "traces": 1,
        "labels": 1,
        "runs": 1,
    }
    again = bring(workspace, [RUN, CALL | {"id": "o2"}, CALL, SCORE], form="langfuse")
    assert again.drained == (0, 2, 0, 0, 0)
    assert query(workspace.view, "SELECT count(*) AS n FROM runs")["n"][0] == 0


def test_a_call_that_comes_again_with_its_user_is_found_by_it(workspace: Workspace) -> None:
    bring(workspace, [CALL], form="langfuse")
    bring(workspace, [CALL | {"userId": "u-17"}], form="langfuse")
    assert query(workspace.view, "SELECT user_id FROM traces")["user_id"].to_list() == ["u-17"]


def test_what_no_column_holds_is_in_a_payload(workspace: Workspace) -> None:
    done = bring(workspace, [RUN, CALL, SCORE | {"queueId": "q"}], form="langfuse")
    assert dict(done.unmapped) == {"trace.release": 1, "score.queue_id": 1}
    assert json.loads(query(workspace.view, "SELECT payload FROM runs")["payload"][0])["release"] == "7"
    (label,) = query(workspace.view, "SELECT payload, unmapped FROM labels").to_dicts()
    assert (json.loads(label["payload"])["queueId"], label["unmapped"]) == ("q", ["score.queue_id"])


def test_a_label_by_the_id_of_the_answer_finds_its_call_in_either_order(workspace: Workspace) -> None:
    said = logs(
        [*EVALUATION, *attributes(gen_ai__response__id="resp-1")], eventName="gen_ai.evaluation.result"
    )
    found = {"gen_ai__prompt": ASKED, "gen_ai__completion": SAID, "gen_ai__response__id": "resp-1"}
    called = span(attributes(**COMMON, **found))
    done = bring(workspace, [said])
    assert done.drained == (0, 0, 1, 0, 1)
    bring(workspace, [called])
    assert query(workspace.view, "SELECT score FROM trace_labels").rows() == [(0.9,)]
    again = bring(workspace, [said], source="otlp")
    assert again.drained == (0, 0, 0, 0, 0)
    delete_traces(workspace, Choice("u-17", None))
    assert bring(workspace, [said, called]).drained == (0, 1, 0, 0, 0)


def test_a_rating_that_was_changed_is_changed_and_counted(workspace: Workspace) -> None:
    first, then = PLAIN | {"rating": 0, "comment": "bad"}, PLAIN | {"rating": 1, "comment": "now good"}
    assert bring(workspace, [first]).drained == (1, 0, 1, 0, 0)
    assert bring(workspace, [then]).drained == (0, 1, 0, 1, 0)
    assert query(workspace.view, "SELECT score, comment FROM labels").rows() == [(1.0, "now good")]
    assert bring(workspace, [then]).drained == (0, 1, 0, 0, 0)
    bring(workspace, [SCORE], form="langfuse")
    older = SCORE | {"value": 0.1, "timestamp": "2024-01-01T00:00:00Z"}
    assert bring(workspace, [older], form="langfuse").drained == (0, 0, 0, 0, 0)


def test_labels_of_nothing_that_is_here_are_told_and_can_be_deleted(workspace: Workspace) -> None:
    tool = SCORE | {"id": "s2", "observationId": "tool", "comment": "ORPHAN of u-17"}
    unknown = SCORE | {"id": "s3", "traceId": "t9", "observationId": "o9", "comment": "ORPHAN of 2020"}
    by_user = unknown | {"id": "s4", "authorUserId": "U-17", "timestamp": "2025-01-01T00:00:00Z"}
    unknown["timestamp"] = "2020-01-01T00:00:00Z"
    done = bring(workspace, [RUN, CALL, tool, unknown, by_user], form="langfuse")
    assert done.drained == (1, 0, 3, 0, 3)
    assert delete_traces(workspace, Choice("U-17", None)).deleted["labels"] == 1
    assert delete_traces(workspace, Choice("u-17", None)).deleted["labels"] == 1
    assert delete_traces(workspace, Choice(None, 1000)).deleted["labels"] == 1
    files = [path for path in workspace.hidden.rglob("*") if path.is_file()]
    assert not [path for path in files if b"ORPHAN" in path.read_bytes()]
    assert bring(workspace, [tool, unknown, by_user], form="langfuse").drained == (0, 0, 0, 0, 0)


def test_a_chat_is_exported_once_with_all_that_was_said_of_it(workspace: Workspace, tmp_path: Path) -> None:
    later = {"id": "s2", "value": 0.9, "timestamp": "2025-01-02T05:00:00Z"}
    whole = {k: v for k, v in SCORE.items() if k != "observationId"} | {"id": "s3", "name": "mood"}
    bring(workspace, [RUN, CALL, SCORE, SCORE | later, whole], form="langfuse")
    assert export_traces(workspace.view, tmp_path / "o.jsonl", "chat", "true") == 1
    chat = json.loads((tmp_path / "o.jsonl").read_text())
    assert chat["rating"] == 0.9
    assert sorted((said["name"], said["score"]) for said in chat["labels"]) == [
        ("mood", 0.3),
        ("rating", 0.3),
        ("rating", 0.9),
    ]
    other = build_workspace(tmp_path / "other")
    path = tmp_path / "o.jsonl"
    assert import_files(other, [path], Progress(quiet=True), patience=5).drained == (1, 0, 3, 0, 0)
    labels = "SELECT id, name, author, score, time FROM labels ORDER BY id"
    assert query(other.view, labels).rows() == query(workspace.view, labels).rows()
    assert query(other.view, "SELECT count(*) AS n FROM trace_labels")["n"][0] == 3


def test_no_export_of_ours_brings_back_what_was_deleted(workspace: Workspace, tmp_path: Path) -> None:
    secret = PLAIN | {"output": "SECRET", "user_id": "u-1"}
    bring(workspace, [secret, PLAIN | {"id": "8"}])
    exported = tmp_path / "o.jsonl"
    export_traces(workspace.view, exported, "chat", "true")
    lines = [json.loads(line) for line in exported.read_text().splitlines()]
    curated = [{k: line[k] for k in ("id", "messages", "rating")} for line in lines]
    delete_traces(workspace, Choice("u-1", None))
    for chats in (lines, curated):
        assert bring(workspace, chats).drained == (0, 2, 0, 0, 0)
    assert query(workspace.view, "SELECT event FROM traces")["event"].to_list() == ["8"]
    assert query(workspace.view, "SELECT count(*) AS n FROM labels")["n"][0] == 1


def test_ids_and_names_that_are_addresses_are_hidden(workspace: Workspace) -> None:
    mail = "max@example.org"
    line = PLAIN | {"id": mail, "model": f"m-{mail}", "finish_reason": mail, mail: 1}
    done = bring(workspace, [line, PLAIN | {"time": f"Mon, {mail}"}])
    assert mail not in str(done)
    assert bring(workspace, [line]).drained == (0, 1, 0, 0, 0)
    for path in workspace.hidden.rglob("*"):
        assert path.is_dir() or mail.encode() not in path.read_bytes(), path


def test_a_batch_of_an_earlier_version_still_comes_in(workspace: Workspace) -> None:
    from loop.arrivals import drain, keep
    from loop.imports.batch import batch
    from loop.imports.plain import read

    (call,) = read(PLAIN)
    rows = batch([call], [], [], "jsonl", "jsonl", 1)  # type: ignore[list-item]
    older = rows._replace(
        traces=rows.traces.drop("response"), labels=rows.labels.drop("run", "payload", "unmapped")
    )
    folder = keep(workspace.arrivals, older)
    (folder / "runs.parquet").unlink()
    assert drain(workspace.store, workspace.arrivals) == (1, 0, 1, 0, 0)


@pytest.mark.parametrize("group", [1, 10])
def test_who_asked_is_known_whichever_batch_of_a_group_says_it(
    tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "GROUP", group)
    moment = datetime(2026, 1, 1)  # noqa: DTZ001  (as the store keeps it)
    call = {"source": "s", "time": moment, "model": "m", "messages": "[]", "output": "o", "origin": "import"}
    run = {"id": "r", "time": moment, "payload": "{}", "unmapped": []}
    parts = [
        ({"id": "1", "event": "1"}, {}),
        ({"id": "1", "event": "1", "user_id": "u"}, {"user_id": "w"}),
        ({"id": "2", "event": "2", "run": "r"}, {}),
    ]
    for number, (trace, said) in enumerate(parts):
        frames = [[call | trace], [], [], [run | said]]
        schemas = (TRACES, PAYLOADS, LABELS, RUNS)
        rows = Batch(*(pl.DataFrame(f, schema=s) for f, s in zip(frames, schemas, strict=True)))
        os.utime(arrivals.keep(tmp_path / "spool", rows), (number, number))
    arrivals.drain(tmp_path / "traces.duckdb", tmp_path / "spool")
    found = query(tmp_path / "traces.duckdb", "SELECT id, user_id FROM traces ORDER BY id")
    assert found.rows() == [("1", "u"), ("2", "w")]
