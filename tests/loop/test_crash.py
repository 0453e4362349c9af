"""A killed run goes on from its last finished step and ends as an undisturbed one does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loop.cycle import FEEDBACK, SEED
from loop.store import query
from tests.loop.small import build_workspace, final_state

if TYPE_CHECKING:
    from loop.workspace import Workspace

pytestmark = pytest.mark.crash

POINTS = 200
RUNNER = Path(__file__).with_name("crash_runner.py")
ROOT = RUNNER.parents[2]


def run(workspace: Workspace, mode: str) -> dict[str, Any]:
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(workspace.root), mode],
        env=os.environ | threads | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert report["status"] == 0, done.stderr[-3000:]
    return report


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs, because an adapter names the folder of its base model."""
    return tmp_path_factory.mktemp("crash") / "demo"


def anew(place: Path) -> Workspace:
    shutil.rmtree(place, ignore_errors=True)
    return build_workspace(place)


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> dict[str, Any]:
    workspace = anew(place)
    assert run(workspace, "undisturbed")["killed"] == 0
    return final_state(workspace)


def test_the_undisturbed_run_did_everything(undisturbed: dict[str, Any]) -> None:
    assert len(undisturbed["steps"]) == len(SEED) + len(FEEDBACK)
    assert len(undisturbed["models"]) == 3
    assert len(undisturbed["snapshots"]) == 2
    assert len(undisturbed["promotions"]) == 2
    assert undisturbed["verdicts"]
    assert undisturbed["leftovers"] == []
    assert undisturbed["spooled"] == []


def test_killed_at_200_points(place: Path, undisturbed: dict[str, Any]) -> None:
    """Just before and after every step's commit, at syncs and renames, and at random times."""
    killed: dict[str, int] = {}
    begun: list[float] = []
    for mode in ("boundaries", "effects", *(f"times-{seed}" for seed in range(1, 12))):
        if sum(killed.values()) < POINTS:
            workspace = anew(place)
            report = run(workspace, mode)
            assert final_state(workspace) == undisturbed, mode
            killed[mode] = report["killed"]
            begun.append(report["begun_within"])
    sys.stdout.write(f"killed: {killed}; the first unfinished step began within {max(begun)} s\n")
    assert killed["boundaries"] >= 2 * (len(SEED) + len(FEEDBACK)) - 2
    assert sum(killed.values()) >= POINTS


def test_a_finished_run_does_nothing_again(place: Path, undisturbed: dict[str, Any]) -> None:
    workspace = anew(place)
    run(workspace, "undisturbed")
    steps = query(workspace.view, "SELECT * FROM steps").rows()
    run(workspace, "undisturbed")
    assert final_state(workspace) == undisturbed
    assert query(workspace.view, "SELECT * FROM steps").rows() == steps
