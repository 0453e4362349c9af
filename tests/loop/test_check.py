"""`regrind check` reads what a cycle reads, and changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loop.check import check_workspace
from loop.workspace import Workspace
from tests.loop.byhand import build_workspace

if TYPE_CHECKING:
    from pathlib import Path


def listing(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_a_good_workspace_has_no_errors_and_is_left_as_it_is(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    before = listing(tmp_path)
    found = check_workspace(workspace)
    assert found["errors"] == 0
    assert found["files"] == [
        {"file": "data/seed.jsonl", "rows": 13, "rejected": 0, "errors": 0, "warnings": 1},
        {"file": "data/pool.jsonl", "rows": 4, "rejected": 0, "errors": 1, "warnings": 0},
    ]
    assert any(m.startswith("data/pool.jsonl: error: S001 too few rows") for m in found["messages"])
    assert listing(tmp_path) == before


def test_bad_seed_lines_are_named_and_are_no_errors(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    with (tmp_path / "data" / "seed.jsonl").open("a") as stream:
        stream.write('not JSON\n{"question": "Who?", "answer": ""}\n')
    found = check_workspace(workspace)
    assert found["errors"] == 0
    assert (found["files"][0]["rejected"], found["files"][0]["errors"]) == (1, 1)
    assert any(m.startswith("data/seed.jsonl:14: rejected: not JSON") for m in found["messages"])
    assert any("data/seed.jsonl:15: error: R102" in m for m in found["messages"])


def test_the_rules_of_the_workspace_are_asked(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    with (tmp_path / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write('max_length = 8\n[rules]\nignore = ["S"]\nlevels = {R201 = "error"}\n')
    with (tmp_path / "data" / "seed.jsonl").open("a", encoding="utf8") as stream:
        stream.write('{"question": "Which words stand in this question?", "answer": "Too many."}\n')
    found = check_workspace(Workspace(tmp_path))
    assert (found["files"][0]["errors"], found["files"][0]["warnings"], found["errors"]) == (1, 0, 0)
    assert any(m.startswith("data/seed.jsonl:14: error: R201 ") for m in found["messages"])


def test_many_findings_are_cut_and_counted(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    with (tmp_path / "data" / "seed.jsonl").open("a") as stream:
        stream.write("not JSON\n" * 25)
    messages = [m for m in check_workspace(workspace)["messages"] if m.startswith("data/seed.jsonl")]
    assert len(messages) == 11
    assert messages[-1] == "data/seed.jsonl: and 16 more"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("data/seed.jsonl", None, "no such file"),
        ("data/seed.jsonl", "", "empty"),
        ("data/heldout.jsonl", "not JSON\n", "no line can be read"),
        ("data/heldout.jsonl", '{"question": "Who?", "answer": ""}\n', "empty answer"),
        ("data/pool.jsonl", "not JSON\n", "no line can be read"),
        ("data/references.jsonl", None, "cannot be read"),
        ("data/references.jsonl", "{}\n", "not a reference"),
        ("rubrics/answer.toml", "name = 3\n", "str"),
        ("rubrics/answer.toml", None, "cannot be read"),
    ],
)
def test_what_stops_a_cycle_is_an_error(tmp_path: Path, name: str, text: str | None, problem: str) -> None:
    workspace = build_workspace(tmp_path)
    path = tmp_path / name
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf8")
    found = check_workspace(workspace)
    assert found["errors"] == 1
    (message,) = [m for m in found["messages"] if m.startswith("error: ")]
    assert problem in message
    assert "fix: " in message


def test_a_workspace_without_a_target_is_an_error(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    path = tmp_path / "regrind.toml"
    text = path.read_text(encoding="utf8")
    path.write_text(text.replace("[[heldout]]", '[[heldout]]\nrole = "regression"'), encoding="utf8")
    found = check_workspace(Workspace(workspace.root))
    assert found["errors"] == 1
    assert "no held-out set to decide on" in found["messages"][-1]
