"""The commands `regrind heldout`: sets are frozen, versions kept, and scores told apart by version."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from curation.manifest import read_manifest
from curation.registry import registered
from loop.evaluation import stored_scores
from loop.heldout import demand_kept_out, kept_out, read_heldout
from loop.progress import Progress
from loop.steps.curate import curate
from loop.steps.gate import pair
from loop.store import insert, publish, query, transaction
from loop.summary import render, summarise
from loop.workspace import Workspace
from tests.loop.byhand import JUDGE, build_workspace, evaluations, filled, write_lines
from tests.loop.commands import session

if TYPE_CHECKING:
    from pathlib import Path

QUIET = Progress(quiet=True)
ITEMS = [{"question": f"What is the number {n} of the list?", "answer": f"n{n}"} for n in range(4)]


def test_a_set_is_added_grows_and_is_shown(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    two, three = (write_lines(tmp_path / f"{n}.jsonl", ITEMS[:n]) for n in (2, 3))
    bad = write_lines(tmp_path / "bad.jsonl", [{"question": "Who?"}])
    at = ["-w", tmp_path, "--json"]
    none, first, again, second, old, listed, wrong, name, shown, unknown = session(
        ["heldout", "list", "-w", tmp_path],
        ["heldout", "add", "quiz", two, *at],
        ["heldout", "add", "quiz", two, *at],
        ["heldout", "add", "quiz", three, "-w", tmp_path],
        ["heldout", "add", "quiz", two, *at],
        ["heldout", "list", *at],
        ["heldout", "add", "quiz", bad, *at],
        ["heldout", "add", "../quiz", two, *at],
        ["heldout", "show", "quiz", *at],
        ["heldout", "show", "other", *at],
    )
    assert "no held-out set is registered" in none.out
    told = json.loads(first.out)
    assert (told["version"], told["items"], told["new"]) == (1, 2, 2)
    assert json.loads(again.out) == told
    assert "version 2" in second.out
    assert "1 new; 0 earlier ones" in second.out
    assert "not compared" in second.out
    assert old.code == 1
    assert "these are the items of version 1" in old.err
    assert [(e["name"], e["version"], e["items"], e["role"]) for e in json.loads(listed.out)] == [
        ("quiz", 1, 2, "reserved"),
        ("quiz", 2, 3, "reserved"),
    ]
    assert (wrong.code, name.code, unknown.code) == (1, 2, 1)
    assert "bad.jsonl: no line can be read" in wrong.err
    assert [e["new"] for e in json.loads(shown.out)] == [2, 1]
    rows = query(tmp_path / ".regrind" / "view.duckdb", "SELECT name, items, role FROM heldout_sets").rows()
    assert sorted(rows) == [("quiz", 2, "reserved"), ("quiz", 3, "reserved")]
    assert "next: regrind curate run" in second.err


def test_every_registered_version_is_kept_out_and_a_snapshot_without_one_is_not_trained_on(
    tmp_path: Path,
) -> None:
    workspace = build_workspace(tmp_path)
    manifest, _ = curate(workspace, QUIET)
    demand_kept_out(workspace, manifest)
    (main,) = kept_out(workspace)
    assert manifest.heldout == {"main": [main.version]}
    path = tmp_path / "data" / "heldout.jsonl"
    lines = path.read_text(encoding="utf8").splitlines()
    path.write_text("\n".join(lines[1:]) + "\n", encoding="utf8")
    with pytest.raises(UserError, match="main has grown or changed"):
        demand_kept_out(workspace, manifest)
    shrunk, _ = curate(Workspace(tmp_path), QUIET)
    assert len(shrunk.heldout["main"]) == 2  # an item that was left away is kept out all the same
    demand_kept_out(workspace, shrunk)


def test_a_set_without_a_file_is_the_newest_registered_version(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    config = tmp_path / "regrind.toml"
    config.write_text(config.read_text(encoding="utf8").replace('file = "data/heldout.jsonl"\n', ""))
    with pytest.raises(UserError, match="no version of the held-out set main"):
        read_heldout(Workspace(tmp_path))
    keys = [Workspace(tmp_path).inputs()]
    for count in (2, 3):
        path = write_lines(tmp_path / "items.jsonl", ITEMS[:count])
        session(["heldout", "add", "main", path, "-w", tmp_path])
        assert read_heldout(Workspace(tmp_path))[0].items.height == count
        keys.append(Workspace(tmp_path).inputs())
    assert len({json.dumps(key) for key in keys}) == 3


def test_a_registered_set_that_was_changed_is_refused(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    kept_out(workspace)
    (known,) = registered(workspace.heldout)
    known.held.items.head(1).write_parquet(known.path)
    with pytest.raises(UserError, match="was changed"):
        registered(workspace.heldout)
    known.path.write_bytes(b"x")
    with pytest.raises(UserError, match="is damaged"):
        registered(workspace.heldout)


def test_a_registered_set_whose_file_is_lost_stops_every_snapshot_until_it_is_back(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    items = write_lines(tmp_path / "items.jsonl", ITEMS)
    add = ["heldout", "add", "quiz", items, "-w", tmp_path]
    session(add)
    shutil.rmtree(workspace.heldout / "quiz")
    with pytest.raises(
        UserError, match=r"version [0-9a-f]{16} of the held-out set quiz is registered"
    ) as caught:
        curate(workspace, QUIET)
    assert "regrind heldout add quiz FILE" in caught.value.fix
    assert not list(workspace.snapshots.glob("*"))
    session(add)
    assert set(curate(workspace, QUIET)[0].heldout) == {"main", "quiz"}


def test_scores_on_two_versions_of_a_set_are_never_paired_and_the_summary_says_so(tmp_path: Path) -> None:
    workspace, *_ = filled(tmp_path)
    with transaction(workspace.store) as connection:
        grown = evaluations({2: [1, 1, 1, 0]}, heldout_version="w")
        insert(connection, "evaluations", grown)
        connection.execute("DELETE FROM evaluations WHERE version = 2 AND heldout_version = 'v'")
        frozen = read_heldout(workspace)[0]
        new, old = (
            stored_scores(connection, "model", v, frozen._replace(version="w"), JUDGE, "setup")
            for v in (2, 1)
        )
        assert (len(new.items), len(old.items)) == (4, 0)
        with pytest.raises(UserError, match="no held-out item has a score from both"):
            pair([(new, old)])
    publish(workspace.store, workspace.view)
    found = summarise(workspace)
    assert [(e["heldout"], e["version"]) for e in found["not_compared"]] == [("main", 0), ("main", 1)]
    said: list[str] = []
    render(found, said.append, lambda *_: None)
    assert any("not compared: base, v1" in line for line in said)


def test_what_a_snapshot_kept_out_is_told_by_the_set(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    manifest, _ = curate(workspace, QUIET)
    (shown, text) = session(
        ["heldout", "show", "main", "-w", tmp_path, "--json"], ["heldout", "show", "main", "-w", tmp_path]
    )
    assert json.loads(shown.out)[0]["snapshots"] == [manifest.id]
    assert f"kept out of 1 snapshots: {manifest.id}" in text.out
    assert read_manifest(workspace.snapshots / manifest.id) == manifest
