"""Traces to look at: each condition chooses, and one trace is shown with all that was said about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from loop.cli import app
from loop.store import publish, transaction
from tests.loop.byhand import add_trace, filled

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = filled(tmp_path_factory.mktemp("listed"))[0]
    other = {"model": "other", "user_id": "u-1", "tags": ["mail"], "time": "2020-05-01 10:00:00"}
    with transaction(workspace.store) as connection:
        add_trace(connection, "old", "said\x1b[31m long ago", None, **other)
    publish(workspace.store, workspace.view)
    return workspace.root


def run(root: Path, *args: str) -> str:
    done = CliRunner().invoke(app, ["trace", *args, "-w", str(root)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ("--below 0.7", {"trace-p2", "trace-p4"}),
        ("--above 0.7", {"trace-p1"}),
        ("--cycle 2 --below 0.7 --tag quiz", {"trace-p2", "trace-p4"}),
        ("--model other", {"old"}),
        ("--user u-1", {"old"}),
        ("--tag mail", {"old"}),
        ("--until 2020-05-02", {"old"}),
        ("--since 2020-05-01T10:00:00 --until 2020-05-01T10:00:00", set()),
        ("--since 2020-05-02 -n 100", {"trace-p1", "trace-p2", "trace-p3", "trace-p4"}),
    ],
)
def test_each_condition_chooses(root: Path, conditions: str, expected: set[str]) -> None:
    found = json.loads(run(root, "list", "--json", *conditions.split()))
    assert {trace["id"] for trace in found} == expected


def test_the_newest_come_first_and_a_limit_is_kept(root: Path) -> None:
    assert json.loads(run(root, "list", "--json"))[-1]["id"] == "old"
    assert len(json.loads(run(root, "list", "--json", "-n", "2"))) == 2
    assert "\\x1b" in run(root, "list", "--model", "other"), "an escape sequence does not reach the terminal"


def test_a_trace_is_shown_with_all_that_was_said_about_it(root: Path) -> None:
    text = run(root, "show", "trace-p2")
    for part in (
        "user: Who painted Guernica?",
        "answer: Monet",
        "verdict: judge",
        "correction: author reference",
    ):
        assert part in text
    found = json.loads(run(root, "show", "trace-p2", "--json"))
    assert [c["output"] for c in found["corrections"]] == ["Picasso"]
    assert [s["origin"] for s in found["snapshots"]] == ["correction"]
    assert "trace old" in run(root, "show", "ol")


@pytest.mark.parametrize(
    ("beginning", "problem"), [("trace-p", "several traces"), ("zzz", "no trace begins")]
)
def test_an_id_that_is_not_one_trace(root: Path, beginning: str, problem: str) -> None:
    done = CliRunner().invoke(app, ["trace", "show", beginning, "-w", str(root)])
    assert problem in str(done.exception)
