"""`regrind train …`: a job is stopped, gone on with, watched, run elsewhere and taken in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from curation.errors import UserError
from loop.cli import app
from loop.cycle import SEED, Context
from loop.early import score_function
from loop.lookup import latest_snapshot
from loop.progress import Progress
from loop.steps.train import prepare_job, train_job
from loop.store import publish, query, transaction
from tests.loop.small import build_workspace
from training.job import StoppedError

if TYPE_CHECKING:
    from loop.workspace import Workspace

QUIET = Progress(quiet=True)
RUNNER = CliRunner()


def said(*arguments: object) -> str:
    done = RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with its base adopted and its first snapshot written."""
    workspace = build_workspace(tmp_path_factory.mktemp("train") / "loop")
    text = (workspace.root / "regrind.toml").read_text(encoding="utf8")
    watched = 'eval_strategy = "steps"\neval_steps = 4\nmetric_for_best_model = "score"\nsave_steps = 2\n'
    (workspace.root / "regrind.toml").write_text(text.replace("epochs = 6\n", f"epochs = 2\n{watched}"))
    for name in ("adopt", "curate"):
        outcome = SEED[name](Context(workspace, 1, {}, QUIET, workspace.step_rows / name))
        with transaction(workspace.store) as connection:
            assert outcome.commit is not None
            outcome.commit(connection)
    publish(workspace.store, workspace.view)
    return workspace


class StopAt3(Progress):
    """Stops its job while it is told of step 3."""

    def __init__(self, workspace: Workspace) -> None:
        super().__init__(quiet=True)
        self._workspace = workspace

    def step(self, done: int, total: int, what: str = "") -> None:
        if done == 3:
            (told,) = json.loads(said("train", "status", "-w", self._workspace.root, "--json"))
            assert (told["state"], told["step"], told["total"]) == ("running", 3, total)
            assert "asked to stop" in said("train", "stop", "-w", self._workspace.root)


def test_a_stopped_job_is_shown_gone_on_with_and_taken_in_once(space: Workspace) -> None:
    job = prepare_job(space, latest_snapshot(space))
    assert "prepared" in said("train", "status", "-w", space.root)
    with pytest.raises(StoppedError):
        train_job(job, StopAt3(space), score_function(space, job))
    assert "stopped" in said("train", "status", "-w", space.root)
    with pytest.raises(UserError, match="no job is"):
        RUNNER.invoke(app, ["train", "stop", "-w", str(space.root)], catch_exceptions=False)

    assert json.loads(said("train", "resume", "-w", space.root, "--json"))["version"] == 1
    (told,) = json.loads(said("train", "status", "-w", space.root, "--json"))
    assert told["state"] == "completed"
    assert 0 <= told["validation_score"] <= 1
    metrics = [json.loads(line) for line in (job / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics if "loss" in line] == list(range(1, told["total"] + 1))

    # As after a run elsewhere: the finished job is only taken in.
    assert json.loads(said("train", "run", "-w", space.root, "--json"))["version"] == 2
    rows = query(space.view, "SELECT version, metrics FROM models WHERE version > 0 ORDER BY version")
    assert rows["metrics"][0] == rows["metrics"][1]


def test_the_job_for_another_machine_is_printed(space: Workspace) -> None:
    printed = said("train", "run", "-w", space.root, "--print").split()
    assert printed[:4] == ["python", "-m", "training", "run"]
    assert printed[4] == str(prepare_job(space, latest_snapshot(space)))


def test_a_job_of_other_settings_is_not_gone_on_with(space: Workspace) -> None:
    text = (space.root / "regrind.toml").read_text(encoding="utf8")
    other = type(space)(space.root)
    (space.root / "regrind.toml").write_text(text.replace("epochs = 2", "epochs = 3"), encoding="utf8")
    prepare_job(other, latest_snapshot(other))
    (space.root / "regrind.toml").write_text(text, encoding="utf8")
    with pytest.raises(UserError, match="settings or base model are not those"):
        RUNNER.invoke(app, ["train", "resume", "-w", str(space.root)], catch_exceptions=False)


def test_only_a_judge_that_costs_nothing_scores_during_training(space: Workspace) -> None:
    text = (space.root / "regrind.toml").read_text(encoding="utf8")
    (space.root / "regrind.toml").write_text(text.replace('kind = "reference"', 'kind = "anthropic"'))
    try:
        with pytest.raises(UserError, match="reference judge") as caught:
            score_function(type(space)(space.root), space.root)
    finally:
        (space.root / "regrind.toml").write_text(text, encoding="utf8")
    assert caught.value.where == "train.metric_for_best_model"
