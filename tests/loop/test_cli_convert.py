"""`regrind curate convert` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.intake import read_file
from tests.loop.byhand import write_lines
from tests.loop.commands import lines, session

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = [{"instruction": f"Count to {i}.", "input": "", "output": "1", "source": "web"} for i in range(3)]


@pytest.mark.parametrize("name", ["out.jsonl", "out.json.gz", "out.parquet", "out.hf"])
def test_every_form_reads_back_as_the_same_rows(tmp_path: Path, name: str) -> None:
    path = write_lines(tmp_path / "alpaca.jsonl", PAIRS)
    (done,) = session(["curate", "convert", path, "-o", tmp_path / name, "--json"])
    assert json.loads(done.out) == {"rows": 3, "rejected": 0}
    first, again = read_file(path).rows, read_file(tmp_path / name).rows
    assert first["id"].to_list() == again["id"].to_list()
    assert [json.loads(meta)["source"] for meta in again["meta"]] == ["web"] * 3


def test_a_bad_line_stops_it_or_goes_to_the_rejects(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "alpaca.jsonl", [*PAIRS, {"instruction": 7, "output": ""}])
    convert = ["curate", "convert", path, "-o", tmp_path / "out.jsonl"]
    stopped, done = session(convert, [*convert, "--rejects", tmp_path / "bad.jsonl"])
    assert (stopped.code, done.code) == (1, 0)
    assert "alpaca.jsonl:4: not a row" in stopped.err
    assert "--rejects" in stopped.err
    assert "3 rows, 1 lines rejected" in done.out
    assert [r["line"] for r in lines(tmp_path / "bad.jsonl")] == [4]


def test_standard_output_holds_rows_alone(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "alpaca.jsonl", PAIRS)
    (done,) = session(["curate", "convert", path, "-o", "-"])
    assert len([json.loads(line)["messages"] for line in done.out.splitlines()]) == 3
