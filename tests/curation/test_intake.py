"""Intake: what is quarantined and why, what stops the file, and that rows written read back the same."""

from __future__ import annotations

import json
import sys

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.export import write_rows
from curation.intake import read_file
from curation.rows import ROWS, plain

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
GOOD_LINE = json.dumps(GOOD)


def chat(user: str = '"Hi"', role: str = '"user"', more: str = "") -> str:
    turns = f'{{"role": {role}, "content": {user}}}, {{"role": "assistant", "content": "Hello"}}'
    return f'{{"messages": [{turns}]{more}}}'


BAD = {
    "cut": (GOOD_LINE[:38], "$", "not JSON: unterminated string"),
    "no comma": ('{"messages": [] "tags": []}', "$", "not JSON: expecting ',' delimiter at column 17"),
    "two objects": (GOOD_LINE + GOOD_LINE, "$", "not JSON: extra data"),
    "single quotes": ("{'messages': []}", "$", "not JSON: expecting property name"),
    "words": ("hello", "$", "not JSON: expecting value at column 1"),
    "array": ("[1]", "$", "a JSON array, where an object is needed"),
    "string": ('"x"', "$", "a JSON string, where an object is needed"),
    "null": ("null", "$", "a JSON null, where an object is needed"),
    "true": ("true", "$", "a JSON boolean, where an object is needed"),
    "number": ("4.5", "$", "a JSON number, where an object is needed"),
    "no shape": ('{"text": "x"}', "$", "missing required field `messages`"),
    "other shape": (
        '{"prompt": "x", "response": "y"}',
        "$",
        "the shape of this file is messages; messages is missing",
    ),
    "no turns": ('{"messages": []}', "$.messages", "length >= 1"),
    "turns no array": ('{"messages": "Hi"}', "$.messages", "Expected `array`, got `str`"),
    "turn no object": ('{"messages": ["Hi"]}', "$.messages[0]", "Expected `object`, got `str`"),
    "number content": (chat("42"), "$.messages[0].content", "got `int`"),
    "null content": (chat("null"), "$.messages[0].content", "got `null`"),
    "user calls a tool": (
        chat('null, "tool_calls": [{}]'),
        "$.messages[0].content",
        "got `null`",
    ),
    "list content": (chat('["Hi"]'), "$.messages[0].content", "got `array`"),
    "role": (chat(role='"bot"'), "$.messages[0].role", "Invalid enum value 'bot'"),
    "no role": ('{"messages": [{"content": "Hi"}]}', "$.messages[0]", "missing required field `role`"),
    "no content": ('{"messages": [{"role": "user"}]}', "$.messages[0].content", "got `null`"),
    "tags string": (chat(more=', "tags": "a"'), "$.tags", "tags must be an array of strings"),
    "tags object": (chat(more=', "tags": {}'), "$.tags", "tags must be an array of strings"),
    "tags numbers": (chat(more=', "tags": [1]'), "$.tags", "tags must be an array of strings"),
    "key twice": (chat(more=', "tags": [], "tags": ["a"]'), "$..tags", "the key 'tags' stands twice"),
    "deep key twice": (
        chat(more=', "a": {"b": 1, "c": 2, "b": 1}'),
        "$..b",
        "the key 'b' stands twice in one object",
    ),
    "half a key twice": (r'{"\ud800": 1, "\ud800": 2}', r"$..\ud800", r"the key '\ud800' stands twice"),
    "half a character": (chat(r'"\ud83d"'), "$", "lone surrogate"),
    "half a key": (chat(more=r', "\udc00": 1'), "$", "lone surrogate"),
    "NaN": (chat(more=', "a": NaN'), "$", "NaN is not JSON"),
    "minus infinity": (chat(more=', "a": -Infinity'), "$", "-Infinity is not JSON"),
    "too large": (chat(more=', "a": 1e999'), "$", "the number 1e999 is too large"),
    "too many digits": (chat(more=f', "a": {"1" * 5000}'), "$", "too many digits"),
    "too deep": (chat(more=f', "a": {"[" * 100_000}{"]" * 100_000}'), "$", "nested too deeply"),
    "raw control character": (chat('"a\x07b"'), "$", "not JSON: invalid control character"),
    "NUL": (chat('"a\0b"'), "$", "not JSON: invalid control character"),
    "second mark": ("\ufeff" + GOOD_LINE, "$", "not JSON: unexpected utf-8 bom"),
}  # fmt: skip


def write(folder, *lines: str | bytes, name: str = "in.jsonl"):
    path = folder / name
    path.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines))
    return path


@pytest.mark.parametrize(("line", "where", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_quarantined_and_the_others_are_read(tmp_path, line, where, reason):
    rows, rejects = read_file(write(tmp_path, GOOD_LINE, line, GOOD_LINE), shape="messages")
    assert rows["line"].to_list() == [1, 3]
    assert rejects.select("source", "line", "path").rows() == [("in.jsonl", 2, where)]
    assert reason in rejects["reason"][0]
    assert rejects["text"][0] == line[:500]


@pytest.mark.parametrize("bad", [b'{"messages": "\xff"}', b"\x80", b"\xed\xa0\x80"])
def test_bytes_that_are_no_text_are_quarantined_with_their_place(tmp_path, bad):
    rows, rejects = read_file(write(tmp_path, GOOD_LINE, bad))
    assert rows.height == 1
    assert rejects["reason"][0] == f"not UTF-8 at byte {max(bad.find(0xFF), 0) + 1}"
    assert "\ufffd" in rejects["text"][0]


@pytest.mark.parametrize("levels", range(sys.getrecursionlimit() - 600, sys.getrecursionlimit() + 20, 7))
def test_nesting_near_the_limit_of_the_interpreter_never_stops_the_file(tmp_path, levels):
    line = chat(more=f', "a": {"[" * levels}{"]" * levels}')
    rows, rejects = read_file(write(tmp_path, GOOD_LINE, line))
    assert rows.height + rejects.height == 2


def test_blank_lines_marks_and_line_ends_of_other_systems_are_no_fault(tmp_path):
    path = write(tmp_path, b"\xef\xbb\xbf" + GOOD_LINE.encode() + b"\r", "", "  \t", GOOD_LINE + "\r")
    rows, rejects = read_file(path)
    assert rows["line"].to_list() == [1, 4]
    assert rejects.height == 0


def test_a_last_line_without_an_end_is_read(tmp_path):
    assert read_file(write(tmp_path, GOOD_LINE, GOOD_LINE)).rows.height == 2
    assert read_file(write(tmp_path, GOOD_LINE, GOOD_LINE, "")).rows.height == 2


def test_no_single_line_decides_how_the_others_are_read(tmp_path):
    answered = '{"prompt": "a", "response": "b"}'
    rows, rejects = read_file(write(tmp_path, '{"prompt": "a"}', answered, answered))
    assert rows["line"].to_list() == [2, 3]
    assert [len(m) for m in rows["messages"].to_list()] == [2, 2]
    assert rejects["line"].to_list() == [1]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \n\t\n", "the file is empty"),
        (b"\xef\xbb\xbf\n", "all lines are blank"),
        (b"\x7fELF\0\0\1\2\n\0", "binary"),
        (GOOD_LINE.encode("utf-16"), "UTF-16"),
        (GOOD_LINE.encode("utf-16-le"), "UTF-16"),
        (b'{"text": "x"}\n', r"line 1: not a known shape \(it has text\)"),
        (b"{}\n", "no keys"),
        (b"\n\nhello\n", "line 3: not JSON"),
    ],
)
def test_a_file_without_rows_is_the_users_to_mend(tmp_path, content, says):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=says) as caught:
        read_file(path)
    assert caught.value.where == str(path)
    assert caught.value.fix


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_file(tmp_path / "none.jsonl")
    with pytest.raises(UserError, match="folder"):
        read_file(tmp_path)


@given(st.lists(st.sampled_from([GOOD_LINE, "", "   ", *(line for line, _, _ in BAD.values())]), max_size=30))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_rows_and_rejects_together_are_the_lines_that_are_not_blank(tmp_path_factory, lines):
    path = write(tmp_path_factory.mktemp("mixed"), GOOD_LINE, *lines)
    rows, rejects = read_file(path, shape="messages")
    there = [number for number, line in enumerate([GOOD_LINE, *lines], start=1) if line.strip()]
    assert sorted([*rows["line"], *rejects["line"]]) == there
    assert rows["line"].to_list() == [
        n for n, line in enumerate([GOOD_LINE, *lines], start=1) if line == GOOD_LINE
    ]
    assert rows.schema == ROWS


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    SCALARS | TEXT, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXT, v, max_size=3), max_leaves=6
)
KEYS = TEXT.filter(lambda key: key not in {"messages", "tags", "parents"})
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXT},
    optional={"name": TEXT, "weight": st.integers(0, 1)},
)
RECORDS = st.builds(
    lambda turns, tags, rest: {**rest, "messages": turns, "tags": tags},
    st.lists(TURNS, min_size=1, max_size=4),
    st.lists(TEXT, max_size=3),
    st.dictionaries(KEYS, VALUES, max_size=3),
)


@given(st.lists(RECORDS, min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_rows_written_read_back_as_the_same_rows(tmp_path_factory, records):
    folder = tmp_path_factory.mktemp("trip")
    first = read_file(write(folder, *(json.dumps(r) for r in records)), source="s").rows
    for row, record in zip(first.iter_rows(named=True), records, strict=True):
        assert plain(row["messages"]) == record["messages"]
        assert row["tags"] == record["tags"]
        rest = {key: value for key, value in record.items() if key not in {"messages", "tags"}}
        assert json.loads(row["meta"]) == rest
    write_rows(first, folder / "out.jsonl")
    again = read_file(folder / "out.jsonl", source="s").rows
    assert again.equals(first.with_columns(line=pl.int_range(1, first.height + 1, dtype=pl.Int64)))


def test_the_id_is_that_of_the_messages_alone(tmp_path):
    other = json.dumps({**GOOD, "tags": ["a"], "id": 7})
    ids = read_file(write(tmp_path, GOOD_LINE, other, chat('"hi"'))).rows["id"]
    assert ids[0] == ids[1] != ids[2]


def test_parents_are_kept_and_fields_of_that_name_that_are_none_too(tmp_path):
    lines = [json.dumps({**GOOD, "parents": parents}) for parents in (["a", "b"], "Ann and Bob", [1])]
    rows = read_file(write(tmp_path, *lines)).rows
    assert rows["parents"].to_list() == [["a", "b"], [], []]
    assert [json.loads(meta) for meta in rows["meta"]] == [{}, {"parents": "Ann and Bob"}, {"parents": [1]}]
    write_rows(rows, tmp_path / "out.jsonl")
    assert read_file(tmp_path / "out.jsonl", source="in.jsonl").rows.equals(rows)


def test_what_a_simpler_shape_would_hide_is_not_read_past(tmp_path):
    prompts = ['{"prompt": "a"}'] * 3
    for line in ('{"prompt": "q", "response": "r"}', '{"prompt": "q", "completion": "r"}'):
        with pytest.raises(UserError, match="two shapes in one file: line 1 is prompt, line 4 is prompt/"):
            read_file(write(tmp_path, *prompts, line))
    pairs = ['{"input": "a", "output": "b"}'] * 3
    with pytest.raises(UserError, match="line 4 is instruction/output"):
        read_file(write(tmp_path, *pairs, '{"instruction": "do", "input": "a", "output": "b"}'))


def test_the_shape_is_found_behind_a_thousand_bad_lines(tmp_path):
    rows, rejects = read_file(write(tmp_path, *["oops"] * 1200, *[""] * 1200, *[GOOD_LINE] * 5))
    assert (rows.height, rejects.height) == (5, 1200)


def test_two_places_for_one_thing_are_a_fault(tmp_path):
    pair = '{"prompt": "a", "response": "b"}'
    rows, rejects = read_file(write(tmp_path, pair, pair[:-1] + ', "messages": 5}'), shape="prompt/response")
    assert (rows.height, rejects["path"].to_list()) == (1, ["$.messages"])
    shared = '{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}'
    twice = shared.replace('"value": "b"', '"value": "b", "content": "c"')
    rows, rejects = read_file(write(tmp_path, shared, twice))
    assert rejects["path"].to_list() == ["$.conversations[1].content"]


def test_the_shape_is_found_behind_a_thousand_objects_of_none(tmp_path):
    rows, rejects = read_file(write(tmp_path, *['{"header": 1}'] * 1500, *[GOOD_LINE] * 3))
    assert (rows["line"].to_list(), rejects.height) == ([1501, 1502, 1503], 1500)


def test_one_raw_nul_does_not_make_a_file_binary(tmp_path):
    with pytest.raises(UserError, match=r"not JSON: invalid control character .* at \$\)"):
        read_file(write(tmp_path, chat('"a\0b"')))


def test_a_rejected_line_keeps_500_whole_characters(tmp_path):
    _, rejects = read_file(write(tmp_path, GOOD_LINE, "{" + "\u00e9" * 1000))
    assert rejects["text"].to_list() == ["{" + "\u00e9" * 499]
