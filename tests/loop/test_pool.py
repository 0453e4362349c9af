"""The pool: every fault in it is named with its file and line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.pool import read_pool, read_references
from tests.loop.byhand import POOL, build_workspace, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return build_workspace(tmp_path)


def configure(workspace: Workspace, old: str, new: str) -> None:
    path = workspace.root / "regrind.toml"
    text = path.read_text(encoding="utf8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf8")


def add_line(workspace: Workspace, name: str, line: str) -> str:
    """Append a line to a data file; returns where it stands."""
    path = workspace.root / "data" / name
    with path.open("a", encoding="utf8") as stream:
        stream.write(line + "\n")
    return f"{path}:{len(path.read_text(encoding='utf8').splitlines())}"


def test_prompts_with_their_references(workspace: Workspace) -> None:
    items = read_pool(workspace)
    assert [(i.id, i.messages[-1]["content"], i.reference) for i in items] == [
        (identity, question, reference) for identity, (question, reference) in POOL.items()
    ]


def test_an_answer_in_the_pool_is_not_shown_to_the_model(workspace: Workspace) -> None:
    turns = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}]
    add_line(workspace, "pool.jsonl", json.dumps({"id": "p5", "messages": turns, "tags": ["x"]}))
    add_line(workspace, "references.jsonl", '{"id": "p5", "reference": "So."}')
    last = read_pool(workspace)[-1]
    assert [m["role"] for m in last.messages] == ["user"]
    assert (last.tags, last.reference) == (["x"], "So.")


def test_a_prompt_without_an_id_is_known_by_its_content(workspace: Workspace) -> None:
    configure(workspace, "[judge]", '[judge]\nkind = "anthropic"')
    add_line(workspace, "pool.jsonl", '{"messages": [{"role": "user", "content": "Why?"}]}')
    assert len(read_pool(workspace)[-1].id) == 16


def test_a_missing_reference_names_the_prompts_line(workspace: Workspace) -> None:
    where = add_line(
        workspace, "pool.jsonl", '{"id": "p5", "messages": [{"role": "user", "content": "Why?"}]}'
    )
    with pytest.raises(UserError, match="'p5' has no reference") as caught:
        read_pool(workspace)
    assert caught.value.where == where
    assert "data/references.jsonl" in caught.value.fix


def test_a_judge_that_needs_no_reference_takes_the_prompt(workspace: Workspace) -> None:
    configure(workspace, "[judge]", '[judge]\nkind = "anthropic"')
    add_line(workspace, "pool.jsonl", '{"id": "p5", "messages": [{"role": "user", "content": "Why?"}]}')
    assert read_pool(workspace)[-1].reference is None


def test_twice_the_same_id(workspace: Workspace) -> None:
    where = add_line(
        workspace, "pool.jsonl", '{"id": "p1", "messages": [{"role": "user", "content": "Why?"}]}'
    )
    with pytest.raises(UserError, match="'p1' stands twice") as caught:
        read_pool(workspace)
    assert caught.value.where == where


@pytest.mark.parametrize("line", ["not JSON", '{"id": "p5"}', '{"id": "p5", "messages": []}'])
def test_a_line_that_is_no_prompt(workspace: Workspace, line: str) -> None:
    where = add_line(workspace, "pool.jsonl", line)
    with pytest.raises(UserError, match="not a prompt") as caught:
        read_pool(workspace)
    assert caught.value.where == where


def test_no_pool_at_all(workspace: Workspace) -> None:
    configure(workspace, 'pool = "data/pool.jsonl"', 'pool = ""')
    with pytest.raises(UserError, match="nothing for production") as caught:
        read_pool(workspace)
    assert caught.value.where == "regrind.toml: data.pool"


@pytest.mark.parametrize("line", ["not JSON", '{"id": "p9"}', '{"id": "p9", "reference": 8}', '["p9", "8"]'])
def test_a_line_that_is_no_reference(workspace: Workspace, line: str) -> None:
    where = add_line(workspace, "references.jsonl", line)
    with pytest.raises(UserError, match="not a reference") as caught:
        read_pool(workspace)
    assert caught.value.where == where


def test_ids_may_be_numbers(workspace: Workspace) -> None:
    write_lines(
        workspace.path("data/pool.jsonl"), [{"id": 7, "messages": [{"role": "user", "content": "Who?"}]}]
    )
    write_lines(workspace.path("data/references.jsonl"), [{"id": 7, "reference": "Ada"}])
    assert [(item.id, item.reference) for item in read_pool(workspace)] == [("7", "Ada")]


def test_two_references_for_one_prompt(workspace: Workspace) -> None:
    where = add_line(workspace, "references.jsonl", '{"id": "p1", "reference": "Inn"}')
    with pytest.raises(UserError, match="'p1' has two references") as caught:
        read_pool(workspace)
    assert caught.value.where == where


def test_references_that_are_no_text_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "references.jsonl"
    with pytest.raises(UserError, match="cannot be read") as caught:
        read_references(path)
    assert caught.value.where == str(path)
    path.write_bytes(b'{"id": "a", "reference": "\xff\xfe"}\n')
    with pytest.raises(UserError, match="not a reference") as caught:
        read_references(path)
    assert caught.value.where == f"{path}:1"


def test_blank_lines_are_skipped(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "r.jsonl", [{"id": "a", "reference": "b"}])
    path.write_text("\n" + path.read_text(encoding="utf8") + "\n\n", encoding="utf8")
    assert read_references(path) == {"a": "b"}
