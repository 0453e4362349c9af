"""A cycle while another process holds the store: it ends its step, says who, and goes on by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loop.cli import cycle as commands
from loop.cycle import run_cycle
from loop.imports.run import import_files
from loop.ledger import Ledger
from loop.opening import Asked
from loop.progress import Progress
from loop.spool import spooled
from loop.store import StoreHeldError, publish, query, transaction
from loop.workspace import Workspace
from tests.loop.byhand import build_workspace, write_lines
from tests.loop.processes import python
from tests.loop.test_store_faults import HOLD

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.crash

JUDGE = """
def score(datapoint):
    with open("calls.txt", "a") as stream:
        print("asked", file=stream)
    return {"score": 0.5, "reason": "middling"}
"""


class Prompt(Progress):
    """Opens the store in another process when a step begins, and lets it go when the wait is told of."""

    def __init__(self, store: Path, step: str, *, lets_go: bool) -> None:
        super().__init__(quiet=True)
        self.lines: list[str] = []
        self.holder: subprocess.Popen[str] | None = None
        self._store, self._step, self._lets_go = store, step, lets_go

    def begin(self, title: str) -> None:
        super().begin(title)
        if title.endswith(self._step):
            self.holder = python(HOLD, self._store)
            assert self.holder.stdout
            assert self.holder.stdout.readline() == "held\n"

    def say(self, line: str) -> None:
        self.lines.append(line)
        if "waiting for it" in line and self._lets_go:
            self.close()

    def close(self) -> None:
        if self.holder and self.holder.poll() is None:
            self.holder.communicate("")


@pytest.fixture
def collecting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace with imported traces that wait for the judge, which counts its calls."""
    monkeypatch.chdir(tmp_path)
    workspace = begun(tmp_path / "w")
    for step in ("collect", "generate"):
        run_cycle(workspace, Progress(quiet=True), Asked(only=step))
    return workspace


def begun(root: Path) -> Workspace:
    """A workspace with imported traces, a seed cycle that is done, and a judge that counts its calls."""
    build_workspace(root)
    (root / "counting.py").write_text(JUDGE)
    path = root / "regrind.toml"
    text = path.read_text().replace('pool = "data/pool.jsonl"\nreferences = "data/references.jsonl"\n', "")
    judge = '[judge]\nkind = "plugin"\nfunction = "counting:score"\n'
    path.write_text(text.replace("[judge]\n", judge))
    workspace = Workspace(root)
    ledger = Ledger(workspace.store, workspace.view, "model")
    ledger.close(ledger.begin("seed", "key"), "finished")
    lines = [{"id": str(n), "prompt": f"asks {n}", "output": f"says {n}"} for n in range(5)]
    write_lines(root / "traces.jsonl", lines)
    import_files(workspace, [root / "traces.jsonl"], Progress(quiet=True), patience=5)
    return workspace


def calls() -> list[str]:
    path = Path("calls.txt")
    return sorted(path.read_text().split()) if path.exists() else []


def test_a_cycle_judges_while_the_store_is_held_and_goes_on_by_itself(collecting: Workspace) -> None:
    prompt = Prompt(collecting.store, "judge", lets_go=True)
    assert run_cycle(collecting, prompt, Asked(only="judge")).steps == 1
    assert prompt.holder
    told = "\n".join(prompt.lines)
    assert f"process {prompt.holder.pid} (" in told
    assert "duckdb.connect" in told, "the command is named"
    assert "going on" in told
    assert len(calls()) == query(collecting.view, "SELECT count(*) FROM verdicts").item() == 5


def test_a_cycle_that_waited_in_vain_goes_on_there_and_asks_nothing_again(collecting: Workspace) -> None:
    prompt = Prompt(collecting.store, "judge", lets_go=False)
    try:
        with pytest.raises(StoreHeldError, match="held by python") as caught:
            run_cycle(collecting, prompt, Asked(only="judge", wait=0.5))
        assert "it goes on there" in caught.value.fix
        assert (len(spooled(collecting.spool)), len(calls())) == (5, 5)
        with pytest.raises(StoreHeldError):  # held from the beginning: the copy says how far it was
            run_cycle(collecting, Progress(quiet=True), Asked(only="judge", wait=0.5))
    finally:
        prompt.close()
    assert run_cycle(collecting, Progress(quiet=True), Asked(only="judge")).steps == 1
    assert len(calls()) == 5
    assert query(collecting.view, "SELECT count(*) FROM verdicts").item() == 5


def test_answers_of_a_model_are_kept_while_the_store_is_held(workspace: Workspace) -> None:
    run_cycle(workspace, Progress(quiet=True), Asked(again=True, only="collect"))
    prompt = Prompt(workspace.store, "generate", lets_go=False)
    try:
        with pytest.raises(StoreHeldError):
            run_cycle(workspace, prompt, Asked(only="generate", wait=0.5))
    finally:
        prompt.close()
    (kept,) = workspace.step_rows.glob("*/traces.parquet")
    stamps = query_times(kept)
    run_cycle(workspace, Progress(quiet=True), Asked(only="generate"))
    found = query(workspace.view, "SELECT time FROM traces WHERE cycle = (SELECT max(id) FROM cycles)")
    assert sorted(found["time"]) == stamps
    assert not workspace.step_rows.exists()


def query_times(path: Path) -> list[object]:
    import polars as pl

    return sorted(pl.read_parquet(path)["time"])


def test_a_copy_that_is_older_than_the_store_is_not_read_in_its_place(collecting: Workspace) -> None:
    publish(collecting.store, collecting.view)
    with transaction(collecting.store) as connection:
        connection.execute("UPDATE cycles SET state = 'finished'")
    holder = python(HOLD, collecting.store)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreHeldError):
            run_cycle(collecting, Progress(quiet=True), Asked(only="judge", wait=0.1))
    finally:
        holder.communicate("")
    assert calls() == []
    assert json.loads(query(collecting.view, "SELECT to_json(list(state)) AS s FROM cycles")["s"][0])


def test_the_commands_wait_as_long_as_a_cycle_does() -> None:
    assert Asked().wait == commands.WAIT
