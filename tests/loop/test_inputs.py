"""What differs between two runs is named; how a service is asked, and when, is no difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.inputs import changes, inputs_key, inputs_of
from loop.workspace import Workspace
from tests.loop.byhand import build_workspace

if TYPE_CHECKING:
    from pathlib import Path


def with_settings(workspace: Workspace, text: str) -> Workspace:
    with (workspace.root / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write(text)
    return Workspace(workspace.root)


def test_each_change_is_named(tmp_path: Path) -> None:
    before = inputs_of(build_workspace(tmp_path))
    with (tmp_path / "data" / "pool.jsonl").open("a") as stream:
        stream.write("\n")
    after = inputs_of(with_settings(Workspace(tmp_path), "[gate]\nrounds = 5\n"))
    assert changes(before, after) == ["gate.rounds: 10, now 5", "data/pool.jsonl: another content"]
    assert changes(after, after) == []
    assert changes(before | {"code": 0}, before)[-1].startswith("the code of the steps: 0, now")


def test_the_pace_of_the_service_and_the_schedule_may_change(tmp_path: Path) -> None:
    key = inputs_key(inputs_of(build_workspace(tmp_path)))
    text = '[judge.service]\nconcurrency = 3\n[schedule]\nevery = "6h"\n'
    assert inputs_key(inputs_of(with_settings(Workspace(tmp_path), text))) == key
