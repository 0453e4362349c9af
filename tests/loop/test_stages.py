"""Training on the rows of one stage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from curation.prompts import stage
from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from loop.heldout import read_heldout
from loop.steps.train import prepare_job
from loop.workspace import Workspace
from tests.loop.small import build_workspace

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl


def rows(name: str) -> pl.DataFrame:
    said = [("user", f"How is page {{}} of {name} called?"), ("assistant", "It has no name.")]
    every = [[{"role": role, "content": text.format(i * i)} for role, text in said] for i in range(30)]
    return stage(frame(make_row(turns) for turns in every), name)


def trained_on(folder: Path, name: str) -> set[str]:
    workspace = build_workspace(folder)
    settings = folder / "regrind.toml"
    text = settings.read_text(encoding="utf8").replace("[train]\n", f'[train]\nstage = "{name}"\n', 1)
    settings.write_text(text, encoding="utf8")
    workspace = Workspace(folder)
    manifest = write_snapshot(
        workspace.snapshots,
        begin(rows("general").vstack(rows("task"))),
        recipe={},
        split=Split(),
        heldout=read_heldout(workspace),
    )
    lines = (prepare_job(workspace, manifest.id) / "train.jsonl").read_text(encoding="utf8").splitlines()
    prompts = [json.loads(line)["messages"][0]["content"] for line in lines]
    return {prompt.split(" of ")[1] for prompt in prompts}


def test_only_the_rows_of_the_stage_are_trained_on(tmp_path: Path) -> None:
    assert trained_on(tmp_path / "a", "task") == {"task called?"}
    assert trained_on(tmp_path / "b", "") == {"task called?", "general called?"}


def test_a_stage_without_rows_is_a_message(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.stage: no row is of the stage 'domain'"):
        trained_on(tmp_path, "domain")
