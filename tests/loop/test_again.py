"""A loop that has run: what a further cycle does, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from curation.errors import UserError
from loop.cycle import run_cycle
from loop.demo import run_demo
from loop.lock import only_one
from loop.models import setup
from loop.opening import Asked
from loop.progress import Progress
from loop.steps.train import place_model, prepare_job, train_job
from loop.store import query
from loop.workspace import Workspace
from tests.loop.byhand import write_lines
from tests.loop.commands import regrind
from tests.tiny import build_tiny_model

QUIET = Progress(quiet=True)


def change(workspace: Workspace, old: str, new: str) -> Workspace:
    path = workspace.root / "regrind.toml"
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")
    return Workspace(workspace.root)


def last_snapshot(workspace: Workspace) -> str:
    return str(query(workspace.view, "SELECT id FROM snapshots ORDER BY created DESC LIMIT 1")["id"][0])


def test_a_cycle_that_learned_nothing_new_ends_before_it_trains(workspace: Workspace) -> None:
    versions = query(workspace.view, "SELECT count(*) AS n FROM models")["n"][0]
    ran = run_cycle(workspace, QUIET, Asked(again=True))
    steps = query(workspace.view, "SELECT name FROM steps WHERE cycle = $id ORDER BY position", {"id": 3})
    assert steps["name"].to_list() == ["collect", "generate", "judge", "correct", "merge", "train"]
    assert (ran.cycle.id, ran.steps) == (3, 6)
    assert query(workspace.view, "SELECT count(*) AS n FROM models")["n"][0] == versions
    assert query(workspace.view, "SELECT state FROM cycles WHERE id = 3")["state"][0] == "finished"
    assert query(workspace.view, "SELECT count(*) AS n FROM promotions")["n"][0] == 2


def test_another_base_model_is_noticed(workspace: Workspace) -> None:
    shutil.rmtree(workspace.root / "tiny")
    build_tiny_model(workspace.root / "tiny", seed=1)
    with pytest.raises(UserError, match="not the one that guard v0 was adopted from") as caught:
        run_cycle(Workspace(workspace.root), QUIET, Asked(again=True))
    assert "another `model` name" in caught.value.fix


@pytest.mark.slow
def test_another_model_name_begins_anew(workspace: Workspace) -> None:
    renamed = change(workspace, 'model = "guard"', 'model = "warden"')
    ran = run_cycle(renamed, QUIET)
    assert (ran.cycle.kind, ran.steps) == ("seed", 5)
    found = query(renamed.view, "SELECT name, max(version) AS newest FROM models GROUP BY name ORDER BY name")
    assert found.rows() == [("guard", 2), ("warden", 1)]


@pytest.mark.slow
def test_scores_of_another_setup_are_not_compared(workspace: Workspace) -> None:
    changed = change(workspace, "max_new_tokens = 3", "max_new_tokens = 4")
    changed = change(changed, "epochs = 6", "epochs = 5")
    run_cycle(changed, QUIET)
    found = query(
        changed.view,
        "SELECT setup, list(DISTINCT version ORDER BY version) AS versions FROM evaluations GROUP BY setup",
    )
    versions = dict(found.rows())
    assert len(versions) == 2
    incumbent = query(changed.view, "SELECT incumbent FROM promotions WHERE cycle = 3")["incumbent"][0]
    assert versions[setup(changed)] == sorted({0, incumbent, 3})


def test_a_spent_error_budget_stops_a_cycle_before_it_costs(workspace: Workspace) -> None:
    spent = change(workspace, "rounds = 10", "rounds = 2")
    with (workspace.root / "data" / "heldout.jsonl").open("a", encoding="utf8") as stream:
        turns = [{"role": "user", "content": "Is one more item a new set?"}]
        stream.write(json.dumps({"messages": [*turns, {"role": "assistant", "content": "safe"}]}) + "\n")
    with pytest.raises(UserError, match="the gate has decided 2 times on these held-out items"):
        run_cycle(spent, QUIET)
    assert query(workspace.view, "SELECT count(*) AS n FROM cycles")["n"][0] == 2


def test_a_snapshot_from_before_the_held_out_set_grew_is_not_trained_on(workspace: Workspace) -> None:
    job = prepare_job(workspace, last_snapshot(workspace))
    assert job.is_dir()
    with (workspace.root / "data" / "heldout.jsonl").open("a", encoding="utf8") as stream:
        turns = [{"role": "user", "content": "Is one more item a new set?"}]
        stream.write(json.dumps({"messages": [*turns, {"role": "assistant", "content": "safe"}]}) + "\n")
    with pytest.raises(UserError, match="held-out set safety has grown or changed since"):
        prepare_job(workspace, last_snapshot(workspace))


def test_a_damaged_snapshot_is_not_trained_on(workspace: Workspace) -> None:
    snapshot = last_snapshot(workspace)
    (workspace.snapshots / snapshot / "train.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match=r"train\.parquet: changed"):
        prepare_job(workspace, snapshot)
    shown = regrind("snapshot", "diff", snapshot, snapshot, "-w", workspace.root)
    assert (shown.code, "the snapshot is damaged" in shown.err) == (1, True)


def test_a_moved_workspace_finds_its_base_where_it_is_now(workspace: Workspace) -> None:
    job = prepare_job(workspace, last_snapshot(workspace))
    base = json.loads((job / "settings.json").read_text(encoding="utf8"))["base_model"]
    assert base == str((workspace.root / "tiny").resolve())


def test_a_finished_job_without_its_result_or_model_is_named(workspace: Workspace) -> None:
    job = prepare_job(workspace, last_snapshot(workspace))
    (job / "result.json").write_text("{cut")
    with pytest.raises(UserError, match="not JSON"):
        train_job(job, QUIET)
    shutil.rmtree(job / "model")
    with pytest.raises(UserError, match="the finished job has no model"):
        place_model(job, workspace.model(9))


def test_two_writers_at_once_are_refused(workspace: Workspace) -> None:
    with only_one(workspace.lock):
        for command in (["train", "run"], ["curate", "run"], ["model", "evaluate", "0"]):
            done = regrind(*command, "-w", workspace.root)
            assert done.code == 1, done.out
            assert "works in this workspace" in done.err


def test_a_corrected_seed_answer_replaces_the_wrong_one(workspace: Workspace) -> None:
    """The pool asks what a seed row answered wrongly; after the merge only the correction is left."""
    policy = (workspace.root / "data" / "pool.jsonl").read_text(encoding="utf8").splitlines()[0]
    asked = json.loads(policy)["messages"]
    seed = workspace.root / "data" / "wrong.jsonl"
    write_lines(seed, [{"messages": [*asked, {"role": "assistant", "content": "unsafe\nhate"}]}])
    known = query(workspace.view, "SELECT row_id FROM membership WHERE origin = 'correction'")
    assert known.height
    changed = change(
        workspace, 'seed = ["data/seed.jsonl"]', 'seed = ["data/seed.jsonl", "data/wrong.jsonl"]'
    )
    run_cycle(changed, QUIET)
    reasons = query(changed.view, "SELECT reason FROM drops WHERE source = 'data/wrong.jsonl'")
    assert reasons["reason"].to_list() == ["superseded by a correction"]


def test_what_a_kill_in_the_last_publishing_left_is_removed(workspace: Workspace) -> None:
    left = workspace.hidden / f".view.duckdb.{os.getpid()}.tmp"  # a number may come again
    left.mkdir()
    (left / "view.duckdb").write_text("half")
    run_demo(workspace.root, "reference", QUIET)
    assert not left.exists()
