"""A new workspace is whole, decodes, and never replaces what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from judge.rubric import load_rubric
from loop.scaffold import scaffold
from loop.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_written_is_what_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "my-loop"
    paths = scaffold(folder)
    assert sorted(p for p in folder.rglob("*") if p.is_file()) == paths
    assert folder / "regrind.toml" in paths
    assert (folder / "data").is_dir()
    assert [p.name for p in folder.parent.iterdir()] == ["my-loop"]


def test_the_rubrics_that_it_names_are_there(tmp_path: Path) -> None:
    scaffold(tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    for name in [workspace.config.judge.rubric, *(held.rubric for held in workspace.config.heldout)]:
        assert load_rubric(workspace.path(name)).criteria


def test_a_folder_that_exists_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="exists already") as caught:
        scaffold(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
