"""A user's traces go out of every file but snapshots and models, which are named; and do not come back."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pytest
from typer.testing import CliRunner

from curation.errors import UserError
from curation.intake import read_file
from curation.old_index import open_index
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from judge.frames import keyed_frame
from judge.verdict import Verdict
from loop.cli import app
from loop.config import Schedule
from loop.deletion import Choice, delete_traces, forget_old
from loop.imports.run import import_files
from loop.inputs import inputs_key, inputs_of
from loop.ledger import Ledger
from loop.progress import Progress
from loop.snapshots import record
from loop.spool import VERDICTS, FileCache
from loop.store import insert, publish, query, transaction, utc_now
from loop.ticks import tick
from loop.verdicts import verdict_rows
from loop.workspace import Workspace
from tests.loop.byhand import _model, build_workspace, write_lines
from tests.loop.imports.samples import PLAIN

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "the quince harvest of Bergamo"
OTHER = "the almond harvest of Avola"


def line(event: str, user: str, text: str) -> dict[str, object]:
    turns = [{"role": "user", "content": f"Tell me of {text}."}]
    return PLAIN | {
        "id": event,
        "user_id": user,
        "messages": turns,
        "output": text,
        "comment": f"nice, {text}",
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Traces of two users, judged, corrected, spooled, and those of the second waiting for the store, too."""
    workspace = build_workspace(tmp_path / "w")
    lines = [
        line("1", "u-1", SECRET),
        line("2", "u-2", OTHER),
        line("3", "u-1", SECRET) | {"time": "2020-01-01"},
    ]
    import_files(workspace, [write_lines(tmp_path / "in.jsonl", lines)], Progress(quiet=True), patience=5)
    with transaction(workspace.store) as connection:
        ids = dict(connection.execute("SELECT event, id FROM traces").fetchall())
        given = {
            event: Verdict(ids[event], "j", 0, "scored", 0.5, feedback=text, raw=f"{{{text}}}")
            for event, text in (("1", SECRET), ("2", OTHER))
        }
        insert(connection, "verdicts", verdict_rows(keyed_frame(given.items())))
        for event, text in (("1", SECRET), ("2", OTHER)):
            values = [ids[event], "j", "person:a", f"better: {text}", "accepted", "", 1]
            connection.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    FileCache(workspace.spool / VERDICTS).put(given)
    publish(workspace.store, workspace.view)
    return workspace


def holders(workspace: Workspace, text: str) -> set[str]:
    """Files of the workspace that hold a text, as bytes or in a table."""
    found = set()
    for path in workspace.hidden.rglob("*"):
        if path.is_file() and (text.encode() in path.read_bytes() or text in _table(path)):
            found.add(path.name)
    return found


def _table(path: Path) -> str:
    if path.suffix == ".parquet":
        return str(pl.read_parquet(path).rows())
    if path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            names = connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
            return str([connection.execute(f"SELECT * FROM {name}").fetchall() for (name,) in names])
    return ""


def test_what_a_user_said_is_in_no_file_afterwards(workspace: Workspace, tmp_path: Path) -> None:
    assert holders(workspace, SECRET) == {"traces.duckdb", "view.duckdb", VERDICTS}
    before = workspace.store.stat().st_ino
    done = delete_traces(workspace, Choice("u-1", None))
    # Another file: a search of bytes does not find what is packed.
    assert workspace.store.stat().st_ino != before
    counts = {"traces": 2, "payloads": 2, "verdicts": 1, "corrections": 1, "labels": 2, "runs": 0}
    assert done.deleted == counts | {"spooled verdicts": 1, "training jobs": 0, "indexes": 0}
    assert (done.snapshots, done.models) == ([], [])
    assert holders(workspace, SECRET) == set()
    assert holders(workspace, OTHER) == {"traces.duckdb", "view.duckdb", VERDICTS}
    again = import_files(workspace, [tmp_path / "in.jsonl"], Progress(quiet=True), patience=5)
    assert again.drained == (0, 3, 0, 0, 0)
    assert holders(workspace, SECRET) == set()


def test_a_deletion_that_was_killed_is_finished_by_the_next_one(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("loop.deletion.rewrite", lambda store: sys.exit(1))
        with pytest.raises(SystemExit):
            delete_traces(workspace, Choice("u-1", None))
    assert "traces.duckdb" in holders(workspace, SECRET)
    with pytest.raises(UserError, match="nothing to delete"):
        delete_traces(workspace, Choice("u-1", None))
    assert holders(workspace, SECRET) == set()


def test_snapshots_and_models_that_hold_rows_of_a_user_are_named(
    workspace: Workspace, tmp_path: Path
) -> None:
    trace = query(workspace.view, "SELECT id FROM traces WHERE event = '1'")["id"][0]
    turns = [
        {"role": "user", "content": f"Tell me of {SECRET}."},
        {"role": "assistant", "content": "It was good."},
    ]
    rows = read_file(
        write_lines(tmp_path / "r.jsonl", [{"messages": turns, "trace": trace, "origin": "trace"}])
    ).rows
    child = rows.with_columns(id=pl.lit("child"), parents=pl.concat_list("id"), meta=pl.lit("{}"))
    made = write_snapshot(
        workspace.snapshots, begin(pl.concat([rows, child])), recipe={}, split=Split(), heldout=[]
    )
    job = workspace.jobs / "j"
    job.mkdir(parents=True)
    (job / "manifest.json").write_bytes((workspace.snapshots / made.id / "manifest.json").read_bytes())
    write_lines(job / "train.jsonl", [{"messages": turns}])
    write_lines(job / "settings.json", [{}])
    with transaction(workspace.store) as connection:
        record(connection, workspace.snapshots / made.id, made, 1)
        _model(connection, 1, made.id, "production")
    open_index(workspace.snapshots / made.id, 0.8)
    done = delete_traces(workspace, Choice("u-1", None))
    assert done.snapshots == [{"snapshot": made.id, "rows": 2}]
    assert [(m["name"], m["version"], m["snapshot"]) for m in done.models] == [("model", 1, made.id)]
    assert (done.deleted["training jobs"], done.deleted["indexes"]) == (1, 1)
    assert all(name.endswith(".parquet") for name in holders(workspace, SECRET))


def test_old_traces_go_by_their_age(workspace: Workspace) -> None:
    assert delete_traces(workspace, Choice(None, 1000)).deleted["traces"] == 1
    assert query(workspace.view, "SELECT event FROM traces ORDER BY 1")["event"].to_list() == ["1", "2"]
    assert query(workspace.view, "SELECT DISTINCT reason FROM deletions")["reason"].to_list() == ["age"]


def test_what_a_killed_process_left_goes_too(workspace: Workspace) -> None:
    from tests.loop.processes import python

    ended = python("pass")
    ended.communicate("")
    left = [
        workspace.hidden / f".view.duckdb.{ended.pid}.tmp" / "view.duckdb",
        workspace.arrivals / f".abc.{ended.pid}.tmp" / "traces.parquet",
        workspace.view.with_name("view.duckdb.wal"),
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRET)
    delete_traces(workspace, Choice("u-1", None))
    assert [path for path in left if path.exists()] == []
    assert holders(workspace, SECRET) == set()


def test_a_new_cycle_and_a_look_of_the_schedule_forget_what_is_too_old(workspace: Workspace) -> None:
    path = workspace.root / "regrind.toml"
    path.write_text(path.read_text() + "\n[traces]\nkeep_days = 1000\n")
    changed = Workspace(workspace.root)
    assert inputs_key(inputs_of(changed)) == inputs_key(inputs_of(workspace)), "no reason for a cycle"
    ledger = Ledger(changed.store, changed.view, "model")
    cycle = ledger.begin("seed", "key")
    assert forget_old(changed) == 0, "an open cycle keeps its traces"
    ledger.close(cycle, "finished")
    tick(changed, Schedule(every="1h"), utc_now(), 1, Progress(quiet=True))
    assert query(workspace.view, "SELECT event FROM traces ORDER BY 1")["event"].to_list() == ["1", "2"]
    assert query(workspace.view, "SELECT DISTINCT reason FROM deletions")["reason"].to_list() == ["age"]
    assert forget_old(changed) == 0


def test_a_user_whose_id_was_hidden_is_found_by_it(workspace: Workspace, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "m.jsonl", [line("9", "anna@example.org", SECRET)])
    import_files(workspace, [path], Progress(quiet=True), patience=5)
    assert delete_traces(workspace, Choice("anna@example.org", None)).deleted["traces"] == 1


def test_a_dry_run_deletes_nothing_and_an_unknown_user_is_told(workspace: Workspace) -> None:
    place = ["-w", str(workspace.root), "--json"]
    ran = CliRunner().invoke(app, ["trace", "delete", *place, "--user", "u-1", "--dry-run"])
    assert json.loads(ran.stdout)["deleted"]["traces"] == 2
    assert query(workspace.view, "SELECT count(*) AS n FROM traces")["n"][0] == 3
    with pytest.raises(UserError, match="nothing to delete"):
        delete_traces(workspace, Choice("nobody", None))
    assert CliRunner().invoke(app, ["trace", "delete", *place]).exit_code == 2
