"""An evaluation set is whole or refused: nothing is left out of it silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.config import Config, Heldout
from loop.heldout import demand_target, read_heldout
from tests.loop.byhand import HELDOUT, build_workspace, write_lines

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace


def rewrite(workspace: Workspace, *lines: str) -> Path:
    path = workspace.root / "data" / "heldout.jsonl"
    path.write_text("".join(line + "\n" for line in lines), encoding="utf8")
    return path


GOOD = '{"question": "How many strings has a violin?", "answer": "4"}'
OTHER = '{"question": "Which bird cannot fly but swims?", "answer": "penguin"}'


def test_a_set_is_named_and_its_version_is_its_content(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    (frozen,) = read_heldout(workspace)
    assert (frozen.name, frozen.items.height) == ("main", len(HELDOUT))
    rewrite(workspace, OTHER, GOOD)
    (grown,) = read_heldout(workspace)
    assert grown.version != frozen.version
    rewrite(workspace, GOOD, OTHER)
    assert read_heldout(workspace)[0].version == grown.version


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("not JSON", "not JSON"),
        ('{"question": "Who?"}', "missing"),
        ('{"question": "Who?", "answer": ""}', "empty answer"),
        ('{"question": " ", "answer": "nobody"}', "empty prompt"),
    ],
)
def test_a_bad_line_refuses_the_whole_set_and_names_the_line(tmp_path: Path, bad: str, reason: str) -> None:
    workspace = build_workspace(tmp_path)
    path = rewrite(workspace, GOOD, bad, OTHER)
    with pytest.raises(UserError, match=reason) as caught:
        read_heldout(workspace)
    assert caught.value.where == f"{path}:2"


def test_an_item_without_an_answer_is_refused(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    chat = '{"messages": [{"role": "user", "content": "Who?"}]}'
    path = rewrite(workspace, chat)
    with pytest.raises(UserError, match="no answer") as caught:
        read_heldout(workspace)
    assert caught.value.where == f"{path}:1"


def test_twice_the_same_item(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    path = rewrite(workspace, GOOD, OTHER, GOOD)
    with pytest.raises(UserError, match="stands twice") as caught:
        read_heldout(workspace)
    assert caught.value.where == f"{path}:3"


def test_a_missing_file(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    (tmp_path / "data" / "heldout.jsonl").unlink()
    with pytest.raises(UserError, match="no such file"):
        read_heldout(workspace)


def test_a_set_of_few_items_is_a_set(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path)
    write_lines(tmp_path / "data" / "heldout.jsonl", [{"question": "Which?", "answer": "that"}])
    assert read_heldout(workspace)[0].items.height == 1


def test_the_gate_needs_a_target() -> None:
    held = Heldout(name="a", file="f", rubric="r", role="regression")
    with pytest.raises(UserError, match="no held-out set to decide on") as caught:
        demand_target(Config(heldout=(held,)))
    assert 'role = "target"' in caught.value.fix
    demand_target(Config(heldout=(held, Heldout(name="b", file="f", rubric="r"))))
