"""Logs: both names of the two sides, in files with and without bad lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from curation.intake import read_jsonl
from curation.logs import read_log

if TYPE_CHECKING:
    from pathlib import Path


def log(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(texts), encoding="utf8", errors="surrogateescape")
    return path


@pytest.mark.parametrize("prompt", ["prompt", "input"])
@pytest.mark.parametrize("response", ["response", "output"])
def test_either_name_of_either_side(prompt, response, tmp_path):
    path = log(tmp_path / "log.jsonl", {prompt: "Hi", response: "Hello", "rating": 5, "tags": ["chat"]})
    (row,) = read_log(path, source="log").rows.to_dicts()
    assert [(m["role"], m["content"]) for m in row["messages"]] == [("user", "Hi"), ("assistant", "Hello")]
    assert (row["source"], row["line"], row["tags"]) == ("log", 1, ["chat"])
    assert json.loads(row["meta"]) == {"rating": 5}


def test_bad_lines_are_rejected_with_their_numbers(tmp_path):
    good = {"input": "Hi", "output": "Hello", "rating": 1.0}
    twice = '{"input": "a", "input": "b", "output": "c"}'
    path = log(tmp_path / "log.jsonl", '{"inp', good, "", twice, {"input": 5, "output": "x"}, [1], good)
    rows, rejects = read_log(path)
    assert rows["line"].to_list() == [2, 7]
    assert rejects["line"].to_list() == [1, 4, 5, 6]
    assert "'input' stands twice" in rejects["reason"][1]


def test_half_a_character_and_numbers_without_end_stay_faults(tmp_path):
    lines = [r'{"input": "\ud800", "output": "x"}', '{"input": "a", "output": "x", "rating": NaN}']
    lines += ['{"input": "a", "output": "x", "rating": 1e999}', '{"input": "a", "output": "x"}']
    rows, rejects = read_log(log(tmp_path / "log.jsonl", *lines))
    assert (rows["line"].to_list(), rejects["line"].to_list()) == ([4], [1, 2, 3])


OTHERS = [
    {"messages": [{"role": "user", "content": "a"}], "input": "x", "output": "y"},
    {"instruction": "Add", "input": "1 1", "output": "2"},
    {"prompt": "a", "response": "b", "output": "c"},
    {"prompt": "a", "completion": "b", "output": "c"},
    {"question": "a", "answer": "b", "input": "x", "output": "y"},
]


@pytest.mark.parametrize("record", OTHERS, ids="-".join)
def test_a_line_of_another_shape_is_read_as_it_is(record, tmp_path):
    path = log(tmp_path / "log.jsonl", record)
    assert read_log(path).rows.equals(read_jsonl(path).rows)


def test_an_unreadable_log_is_named_by_its_own_path(tmp_path):
    path = log(tmp_path / "log.jsonl", {"input": "a", "output": "b", "tags": 5})
    for wrong in (path, tmp_path / "missing.jsonl", tmp_path):
        with pytest.raises(UserError) as caught:
            read_log(wrong)
        assert caught.value.where == str(wrong)
