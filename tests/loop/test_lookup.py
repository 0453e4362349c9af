"""What a user types finds one thing, or the error says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.lookup import known_version, latest_snapshot, snapshot_folder
from tests.loop.byhand import build_workspace, filled

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return filled(tmp_path_factory.mktemp("lookup"))[0]


def test_a_snapshot_by_the_beginning_of_its_id(workspace: Workspace) -> None:
    newest = latest_snapshot(workspace)
    assert snapshot_folder(workspace, newest[:6]).name == newest


@pytest.mark.parametrize(("beginning", "problem"), [("", "2 snapshots begin"), ("zz", "no snapshot begins")])
def test_a_beginning_that_is_not_one_snapshot(workspace: Workspace, beginning: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        snapshot_folder(workspace, beginning)
    assert "regrind snapshot list" in caught.value.fix


def test_half_written_snapshots_are_not_found(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    (workspace.snapshots / ".abc.1.tmp").mkdir(parents=True)
    with pytest.raises(UserError, match="no snapshot begins"):
        snapshot_folder(workspace, "")


def test_versions(workspace: Workspace) -> None:
    assert known_version(workspace, 0) == 0
    with pytest.raises(UserError, match=r"no version 7 \(there is 0, 1, 2\)"):
        known_version(workspace, 7)


def test_nothing_was_made_yet(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no store yet"):
        latest_snapshot(build_workspace(tmp_path))
