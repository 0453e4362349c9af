"""Items to judge from a file: each bad line is named, and verdicts are written whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from judge.frames import items_of, keyed_frame
from judge.verdict import Item, Verdict
from loop.judge_file import read_items, write_verdicts

if TYPE_CHECKING:
    from pathlib import Path

GOOD = (
    '{"id": "a", "messages": [{"role": "user", "content": "Which?"}], "output": "that", "reference": "this"}'
)


def test_items_with_and_without_a_reference(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(GOOD + '\n\n{"id": "b", "messages": [], "output": ""}\n', encoding="utf8")
    assert items_of(read_items(path)) == [
        Item("a", [{"role": "user", "content": "Which?"}], "that", "this"),
        Item("b", [], "", None),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"not JSON", "not an item"),
        (b'{"id": "b", "output": "x"}', "messages"),
        (b'{"id": "b", "messages": [{"role": "user", "content": 3}], "output": "x"}', "Expected `str`"),
        (b'{"id": "b", "messages": [], "output": "\xff"}', "not an item"),
        (b'{"id": "b", "messages": [], "output": "\\ud83d"}', "not an item"),
        (b'{"id": "b", "messages": ' + b"[" * 100_000, "not an item"),
        (GOOD.encode(), "'a' stands twice"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: bytes, problem: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(GOOD.encode() + b"\n" + line + b"\n")
    with pytest.raises(UserError, match=problem) as caught:
        read_items(path)
    assert caught.value.where == f"{path}:2"


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert read_items(path)["id"].to_list() == ["a"]


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    with pytest.raises(UserError, match="cannot be read"):
        read_items(path)
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        read_items(tmp_path)
    path.write_text("\n")
    with pytest.raises(UserError, match="empty"):
        read_items(path)


def test_verdicts_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.jsonl"
    given = [Verdict("a", "j", 0, "scored", 0.5, {"c": 0.5}), Verdict("b", "j", 0, "failed")]
    write_verdicts(keyed_frame((v.item_id, v) for v in given), path)
    read = [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]
    assert [(v["item_id"], v["state"], v["score"]) for v in read] == [
        ("a", "scored", 0.5),
        ("b", "failed", None),
    ]
    assert read[0]["criteria"] == {"c": 0.5}
    assert "key" not in read[0]
