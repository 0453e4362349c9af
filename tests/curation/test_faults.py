"""Every fault class of docs/intake.md: what becomes of the file, and that every good line of it is kept."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from curation.errors import UserError
from curation.intake import read_file

PAGE = Path(__file__).parents[2] / "docs" / "intake.md"
GOOD = b'{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}], "id": "1"}'
ELSEWHERE = {"broken array", "truncated gzip", "growing file", "pipe on stdin", "50 MB line"}
"""Tested in test_sources.py, with real pipes, threads and large files."""


def other(content: bytes, more: bytes = b"") -> bytes:
    return GOOD.replace(b'"Hi"', content).replace(b'"id": "1"', b'"id": "1"' + more)


REJECTED = {
    "broken JSON": (GOOD[:-9], "not JSON: ", "$"),
    "wrong top-level type": (b"[1]", "a JSON array, where an object is needed", "$"),
    "missing field": (
        GOOD.replace(b'"role": "user", ', b""),
        "missing required field `role`",
        "$.messages[0]",
    ),
    "null field": (other(b"null"), "got `null`", "$.messages[0].content"),
    "wrong type": (other(b"5"), "Expected `str | null`, got `int`", "$.messages[0].content"),
    "unknown role": (GOOD.replace(b'"user"', b'"bot"'), "Invalid enum value 'bot'", "$.messages[0].role"),
    "duplicate key": (other(b'"Hi"', b', "a": {"b": 1, "b": 2}'), "the key 'b' stands twice", "$..b"),
    "lone surrogate": (other(rb'"\ud83d"'), "half a character", "$"),
    "NUL": (other(b'"a\0b"'), "invalid control character", "$"),
    "deep nesting": (other(b'"Hi"', b', "a": ' + b"[" * 5000 + b"]" * 5000), "nested too deeply", "$"),
    "huge number": (other(b'"Hi"', b', "a": 1e999'), "the number 1e999 is too large", "$"),
    "NaN": (other(b'"Hi"', b', "a": NaN'), "NaN is not JSON", "$"),
    "not UTF-8": (other(b'"\xff"'), "not UTF-8 at byte 44", "$"),
    "cut inside a character": (other('"é"'.encode())[:44], "not UTF-8", "$"),
}
READ = {
    "BOM": b"\xef\xbb\xbf" + GOOD + b"\n" + GOOD,
    "CRLF": GOOD + b"\r\n\r\n" + GOOD + b"\r\n",
    "huge number": other(b'"Hi"', b', "a": ' + b"9" * 4000) + b"\n" + GOOD,
    "NUL": other(rb'"a\u0000b"') + b"\n" + GOOD,
    "null field": GOOD.replace(b'"content": "Ho"', b'"content": null, "tool_calls": [{"id": "1"}]')
    + b"\n"
    + GOOD,
}
REFUSED = {
    "UTF-16": (GOOD.decode().encode("utf-16"), "UTF-16"),
    "two shapes": (
        GOOD + b'\n{"prompt": "a", "response": "b"}',
        "line 1 is messages, line 2 is prompt/response",
    ),
    "empty file": (b"", "the file is empty"),
}


def test_the_page_names_what_is_tested_and_no_more() -> None:
    table = PAGE.read_text(encoding="utf8").split("## What can be wrong")[1]
    named = set(re.findall(r"^\| ([^|]+?) \| [^|]+ \|$", table, re.MULTILINE)) - {"fault"}
    assert named == REJECTED.keys() | READ.keys() | REFUSED.keys() | ELSEWHERE | {"directory"}


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(("line", "reason", "where"), REJECTED.values(), ids=REJECTED.keys())
def test_a_bad_line_is_rejected_alone(tmp_path, line, reason, where, quick) -> None:
    """Beside plain lines, which are read quickly, and beside lines with other fields."""
    good = GOOD.replace(b', "id": "1"', b"") if quick else GOOD
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join([good, line, good, line]))
    rows, rejects = read_file(path)
    assert rows["line"].to_list() == [1, 3]
    assert rejects["line"].to_list() == [2, 4]
    assert reason in rejects["reason"][0]
    assert rejects["path"][0] == where


@pytest.mark.parametrize("content", READ.values(), ids=READ.keys())
def test_what_is_no_fault_is_read(tmp_path, content) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    rows, rejects = read_file(path)
    assert (rows.height, rejects.height) == (2, 0)


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED.keys())
def test_a_file_that_is_refused_says_why(tmp_path, content, problem) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=re.escape(problem)) as caught:
        read_file(path)
    assert caught.value.fix


def test_a_directory_is_refused(tmp_path) -> None:
    with pytest.raises(UserError, match="this is a folder"):
        read_file(tmp_path)


def test_a_named_shape_rejects_the_others(tmp_path) -> None:
    pair = {"prompt": "a", "response": "b"}
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD + b"\n" + json.dumps(pair).encode()))
    assert read_file(path, shape="messages").rows["line"].to_list() == [1]
    assert read_file(path, shape="prompt/response").rows["line"].to_list() == [2]
    with pytest.raises(UserError, match="there is no shape 'xml'"):
        read_file(path, shape="xml")
