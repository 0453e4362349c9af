"""Which cycle `regrind cycle run` runs: a new one, the interrupted one, or none."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.cycle import run_cycle
from loop.inputs import inputs_key, inputs_of
from loop.ledger import Ledger, Outcome
from loop.opening import Asked
from loop.progress import Progress
from loop.store import query, utc_now
from loop.workspace import Workspace
from tests.loop.byhand import build_workspace

if TYPE_CHECKING:
    from pathlib import Path

QUIET = Progress(quiet=True)


def append(workspace: Workspace, text: str) -> Workspace:
    """Add to the configuration, and read it afresh."""
    with (workspace.root / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write(text)
    return Workspace(workspace.root)


def without_target(root: Path) -> Workspace:
    workspace = build_workspace(root)
    path = root / "regrind.toml"
    path.write_text(
        path.read_text(encoding="utf8").replace("[[heldout]]", '[[heldout]]\nrole = "regression"')
    )
    return Workspace(workspace.root)


def cycles(workspace: Workspace) -> list[tuple[int, str, str]]:
    return query(workspace.store, "SELECT id, kind, state FROM cycles ORDER BY id").rows()


def finished(workspace: Workspace, *kinds: str) -> Ledger:
    ledger = Ledger(workspace.store, workspace.view, "model")
    for kind in kinds:
        ledger.close(ledger.begin(kind, inputs_key(inputs_of(workspace))), "finished")
    return ledger


def test_the_key_changes_with_settings_and_with_the_content_of_inputs(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    key = inputs_key(inputs_of(workspace))
    assert inputs_key(inputs_of(Workspace(tmp_path))) == key
    with (tmp_path / "data" / "pool.jsonl").open("a") as stream:
        stream.write("\n")
    changed = inputs_key(inputs_of(Workspace(tmp_path)))
    assert changed != key
    assert inputs_key(inputs_of(append(workspace, "[gate]\nrounds = 5\n"))) not in {key, changed}


def test_a_missing_input_is_named_before_a_cycle_begins(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    (tmp_path / "data" / "pool.jsonl").unlink()
    with pytest.raises(UserError, match="no such file") as caught:
        run_cycle(workspace, QUIET)
    assert caught.value.where == str(tmp_path / "data" / "pool.jsonl")
    assert not workspace.store.exists()


def test_a_first_step_that_asks_for_a_change_gets_it_without_more_words(tmp_path: Path) -> None:
    workspace = without_target(tmp_path)
    with pytest.raises(UserError, match="no held-out set to decide on"):
        run_cycle(workspace, QUIET)
    with pytest.raises(UserError, match="no held-out set to decide on"):
        run_cycle(workspace, QUIET)
    assert cycles(workspace) == [(1, "seed", "running")]
    changed = append(workspace, "[gate]\nrounds = 5\n")
    with pytest.raises(UserError, match="no held-out set to decide on"):
        run_cycle(changed, QUIET)
    assert cycles(workspace) == [(1, "seed", "abandoned"), (2, "seed", "running")]


def test_a_change_after_a_step_was_done_is_refused_until_restarted(tmp_path: Path) -> None:
    workspace = without_target(tmp_path)
    ledger = Ledger(workspace.store, workspace.view, "model")
    cycle = ledger.begin("seed", inputs_key(inputs_of(workspace)))
    ledger.complete(cycle, 2, "curate", Outcome({}, ""), utc_now())
    changed = append(workspace, "[gate]\nrounds = 5\n")
    with pytest.raises(UserError, match="changed since cycle 1 began") as caught:
        run_cycle(changed, QUIET)
    assert "--restart" in caught.value.fix
    with pytest.raises(UserError, match="no held-out set to decide on"):
        run_cycle(changed, QUIET, Asked(restart=True))
    assert cycles(workspace) == [(1, "seed", "abandoned"), (2, "seed", "running")]


def test_nothing_has_changed_so_nothing_is_done_and_the_copy_is_fresh(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    finished(workspace, "seed", "feedback")
    ran = run_cycle(workspace, QUIET)
    assert (ran.cycle.id, ran.steps) == (2, 0)
    assert query(workspace.view, "SELECT state FROM cycles")["state"].to_list() == ["finished", "finished"]


def test_a_changed_input_begins_the_next_cycle(tmp_path: Path) -> None:
    workspace = append(build_workspace(tmp_path), "")
    finished(workspace, "seed", "feedback")
    path = tmp_path / "regrind.toml"
    text = path.read_text(encoding="utf8")
    path.write_text(text.replace('pool = "data/pool.jsonl"', 'pool = ""'), encoding="utf8")
    with pytest.raises(UserError, match="nothing for production to answer"):
        run_cycle(Workspace(tmp_path), QUIET)
    assert cycles(workspace)[-1] == (3, "feedback", "running")


def test_restarting_an_interrupted_cycle_begins_one_even_when_nothing_has_changed(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    ledger = finished(workspace, "seed", "feedback")
    ledger.begin("feedback", inputs_key(inputs_of(workspace)))
    with pytest.raises(UserError, match="no version is in production"):
        run_cycle(workspace, QUIET, Asked(restart=True))
    assert [state for _, _, state in cycles(workspace)] == ["finished", "finished", "abandoned", "running"]


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    finished(workspace, "seed", "feedback")
    dead = subprocess.Popen(["true"])
    dead.wait()
    left = [workspace.snapshots / f".abc.{dead.pid}.tmp", workspace.hidden / f".view.duckdb.{dead.pid}.tmp"]
    living = workspace.hidden / f".view.duckdb.{os.getppid()}.tmp"
    for folder in (*left, living):
        folder.mkdir(parents=True)
        (folder / "half").write_text("written")
    run_cycle(workspace, QUIET)
    assert not any(folder.exists() for folder in left)
    assert living.exists()  # somebody is writing it
