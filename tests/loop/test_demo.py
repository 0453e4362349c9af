"""The demo's workspace, and a loop in which Claude judges: a loopback server speaks the Messages API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.demo import prepare, run_demo
from loop.progress import Progress
from loop.store import query
from loop.workspace import Workspace
from tests.judge.loopback import Loopback, error, grades, message
from tests.loop.small import build_workspace

if TYPE_CHECKING:
    from pathlib import Path

POOL = 24
QUIET = Progress(quiet=True)


def test_the_demo_is_prepared_once_and_goes_on_with_the_judge_it_began_with(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    prepare(folder, "anthropic")
    assert Workspace(folder).config.judge.kind == "anthropic"
    with pytest.raises(UserError, match="begun with the judge anthropic"):
        prepare(folder, "reference")
    (folder / "data" / "seed.jsonl").write_text("mine")
    prepare(folder, "anthropic")
    assert (folder / "data" / "seed.jsonl").read_text() == "mine"


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("long")
    with pytest.raises(UserError, match="not empty"):
        prepare(tmp_path, "reference")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def claude_judges(folder: Path) -> Workspace:
    workspace = build_workspace(folder)
    path = folder / "regrind.toml"
    path.write_text(path.read_text(encoding="utf8").replace('kind = "reference"', 'kind = "anthropic"'))
    return Workspace(workspace.root)


def test_a_missing_key_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    workspace = claude_judges(tmp_path / "demo")
    with pytest.raises(UserError, match="ANTHROPIC_API_KEY"):
        run_demo(workspace.root, "anthropic", QUIET)
    assert not workspace.snapshots.exists()


@pytest.mark.slow
def test_a_judge_that_is_out_stops_the_cycle_and_pays_twice_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [grades(verdict="wrong", categories="wrong")] * 4
    workspace = claude_judges(tmp_path / "demo")
    with Loopback(*good, *[error(413)] * (POOL - 4), *good * 5) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        with pytest.raises(UserError, match=f"{POOL - 4} of {POOL} verdicts failed"):
            run_demo(workspace.root, "anthropic", QUIET)
        steps = query(workspace.view, "SELECT name FROM steps WHERE cycle = 2")["name"].to_list()
        assert steps == ["collect", "generate"]
        run_demo(workspace.root, "anthropic", QUIET)
        assert len(server.requests) == POOL + POOL - 4
    states = dict(query(workspace.view, "SELECT state, count(*) FROM verdicts GROUP BY state").rows())
    assert states == {"scored": POOL}


@pytest.mark.slow
def test_claude_judges_the_traces_and_what_it_cannot_judge_is_a_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = message("", stop_reason="refusal")
    script = [refusal, message("prose"), *[grades(verdict="wrong", categories="wrong")] * (POOL - 2)]
    workspace = claude_judges(tmp_path / "demo")
    with Loopback(*script) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        run_demo(workspace.root, "anthropic", QUIET)
        assert len(server.requests) == POOL
    states = dict(query(workspace.view, "SELECT state, count(*) FROM verdicts GROUP BY state").rows())
    assert states == {"refused": 1, "unparsable": 1, "scored": POOL - 2}
    judges = query(workspace.view, "SELECT DISTINCT judge FROM verdicts")["judge"].to_list()
    assert len(judges) == 1
    assert judges[0].startswith("anthropic/")
    corrected = query(workspace.view, "SELECT count(*) AS n FROM corrections WHERE state = 'accepted'")
    learned = query(workspace.view, "SELECT count(*) AS n FROM membership WHERE trace IS NOT NULL")
    assert 0 < learned["n"][0] <= corrected["n"][0] == POOL - 2
    assert "test" not in json.dumps(query(workspace.view, "SELECT raw FROM verdicts").to_dicts())
