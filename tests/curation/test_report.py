"""The Python entry: one call says whether a file can be used, and what is in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import curation
from curation.errors import UserError
from curation.report import report
from curation.rows import frame
from curation.rules import Settings
from curation.validate import validate


def write(path, *chats):
    lines = [json.dumps({"messages": [{"role": r, "content": c} for r, c in chat]}) for chat in chats]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def numbers(count):
    return [[("user", f"{i:03}?"), ("assistant", f"{i:05}.")] for i in range(count)]


def test_a_good_file(tmp_path):
    path = write(tmp_path / "good.jsonl", *numbers(100))
    found = curation.validate_file(str(path))
    assert found.is_valid
    assert (found.total_examples, found.average_prompt_length, found.average_response_length) == (100, 4, 6)
    assert (found.findings.height, found.rejects.height) == (0, 0)
    assert found.quality == ({}, {}, 1.0)


def test_what_is_wrong_is_counted(tmp_path):
    bad = [[("system", "S" * 50), ("user", "\x07" * 4), ("assistant", "")], [("user", "Why?")]]
    path = write(tmp_path / "bad.jsonl", *numbers(18), *bad)
    found = curation.validate_file(path)
    assert not found.is_valid
    assert (found.total_examples, found.average_prompt_length, found.average_response_length) == (20, 4, 5.4)
    assert found.quality.by_code == {"R102": 1, "R103": 1, "R402": 1, "S002": 1}
    assert found.quality.by_level == {"error": 3, "warning": 1}
    assert found.quality.clean_share == 0.9
    assert found.findings["source"].drop_nulls().unique().to_list() == [str(path)]


def test_one_rejected_line_makes_a_file_invalid(tmp_path):
    path = write(tmp_path / "one.jsonl", *numbers(100))
    with path.open("a", encoding="utf8") as stream:
        stream.write("{\n")
    found = curation.validate_file(path)
    assert (found.is_valid, found.total_examples, found.findings.height) == (False, 100, 0)
    assert found.rejects["line"].to_list() == [101]


def test_kind_and_settings_are_obeyed(tmp_path):
    path = write(tmp_path / "prompts.jsonl", *([("user", f"{i}?")] for i in range(12)))
    assert not curation.validate_file(path).is_valid
    assert curation.validate_file(path, kind="prompts").quality.by_code == {"S002": 1}
    strict = Settings(levels={"S002": "error"})
    assert not curation.validate_file(path, kind="prompts", settings=strict).is_valid
    with pytest.raises(UserError, match="no rule"):
        curation.validate_file(path, settings=Settings(select=("Q1",)))


def test_no_rows_at_all():
    rows = frame([])
    found = report(rows, rows.clear(), validate(rows))
    assert (found.is_valid, found.total_examples, found.average_prompt_length) == (False, 0, 0)


def test_importing_the_package_loads_nothing_heavy():
    code = "import curation, sys; print(sorted({'polars', 'msgspec', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
