"""What Arrow reads is what is read line by line; where it could differ, Arrow does not read it."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.bare import messages_of
from curation.decode import decode
from curation.errors import UserError
from curation.intake import read_file
from curation.records import to_row
from curation.rows import ROWS, row_id
from curation.sources import blocks

ROW = '{"messages":[{"role":"user","content":"Hi"}]}'
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ["\x00", "2020-01-01", "null", "\ufeff", "\U0001f600", "a" * 20]
)
CHAT = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", "tool"]), "content": TEXT}),
    min_size=1,
    max_size=3,
)
ODD = [
    '{"messages":[]}',
    '{"messages":null}',
    '{"messages":[null]}',
    "{}",
    "",
    " ",
    "[]",
    "5",
    '{"messages":[{"role":"user","content":null}]}',
    '{"messages":[{"role":"user","content":5}]}',
    '{"messages":[{"role":"user","content":["a"]}]}',
    '{"messages":[{"role":"user","content":true}]}',
    '{"messages":[{"role":"user"}]}',
    '{"messages":[{"role":"nobody","content":"a"}]}',
    '{"messages":[{"role":"user","role":"user","content":"a"}]}',
    '{"messages":[{"role":"user","content":"a","name":"b"}]}',
    '{"messages":[{"role":"user","content":"a","name":null}]}',
    '{"messages":[{"role":"user","content":"a"}],"messages":[{"role":"user","content":"a"}]}',
    '{"messages":[{"role":"user","content":"a"}],"id":1}',
    '{"messages":[{"role":"user","content":"a"}],"tags":[]}',
    '{"messages":{"role":"user","content":"a"}}',
    '{"messages":[{"role":"user","content":"\\ud800"}]}',
    '{"messages":[{"role":"user","content":"\\udc00a"}]}',
    '{"messages":[{"role":"user","content":"\x01"}]}',
    '{"messages":[{"role":"user","content":"a",}]}',
    ROW + ROW,
    ROW + " 1",
    ROW + "," + ROW,
    ROW[:-1],
]


def lines_of(draw):
    chat = {"messages": draw(CHAT)}
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")]))
    return json.dumps(chat, ensure_ascii=draw(st.booleans()), separators=spaced)


@st.composite
def files(draw):
    """Chats alone, now and then an odd line, two in one line, or one in two."""
    lines = [lines_of(draw) for _ in range(draw(st.integers(1, 5)))]
    odd = draw(st.lists(st.sampled_from(ODD), max_size=1))
    text = "\n".join([*lines, *odd])
    for _ in range(draw(st.integers(0, 1))):
        text = text.replace("\n", draw(st.sampled_from([" ", "", ",", "\r\n"])), 1)
    places = [m.start() for m in re.finditer(r"[][{},]", text)]
    for place in draw(st.lists(st.sampled_from(places), max_size=1)):
        text = text[: place + 1] + "\n" + text[place + 1 :]
    return text + draw(st.sampled_from(["", "\n", "\n\n"]))


@given(files())
@settings(deadline=None, max_examples=400)
def test_what_arrow_reads_is_what_is_read_line_by_line(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("bare") / "in.jsonl"
    path.write_text(text, newline="")
    for block in blocks(path):
        messages = messages_of(block)
        if messages is not None:
            there = [to_row(decode(line), "messages", 1).turns for line in block.lines()]
            assert messages.dtype == ROWS["messages"]
            assert [[tuple(turn.values()) for turn in chat] for chat in messages] == there


@given(st.lists(CHAT, min_size=1, max_size=5))
@settings(deadline=None, max_examples=50)
def test_chats_alone_are_read_by_arrow(tmp_path_factory, chats):
    path = tmp_path_factory.mktemp("bare") / "in.jsonl"
    path.write_text("".join(json.dumps({"messages": chat}) + "\n" for chat in chats))
    (block,) = blocks(path)
    assert messages_of(block) is not None


def test_lines_that_end_as_on_windows_are_read_by_arrow_too(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(f"{ROW}\r\n" * 3, newline="")
    (block,) = blocks(path)
    messages = messages_of(block)
    assert messages is not None
    assert len(messages) == 3


@pytest.mark.parametrize("odd", ODD)
def test_a_block_with_an_odd_line_is_left_to_others(tmp_path, odd):
    path = tmp_path / "in.jsonl"
    path.write_text(f"{ROW}\n{odd}\n{ROW}\n")
    (block,) = blocks(path)
    assert messages_of(block) is None


def test_an_object_over_two_lines_is_not_made_up_for_by_two_in_one(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(f"{ROW}\n{ROW} {ROW}\n" + ROW.replace(",", ",\n") + "\n")
    (block,) = blocks(path)
    assert messages_of(block) is None


def test_a_blank_line_is_not_made_up_for_by_two_objects_in_one(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text(f"\n{ROW} {ROW}")
    (block,) = blocks(path)
    assert messages_of(block) is None


def test_lines_of_another_shape_than_the_named_one_stay_out(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.unpack.BLOCK", 500)
    path = tmp_path / "in.jsonl"
    path.write_text(f"{ROW}\n" * 100 + '{"prompt":"a","response":"b"}\n' + f"{ROW}\n" * 100)
    rows, rejects = read_file(path, shape="prompt/response")
    assert (rows["line"].to_list(), rejects.height) == ([101], 200)


def test_the_first_good_line_is_named_where_another_shape_comes(tmp_path, monkeypatch):
    monkeypatch.setattr("curation.unpack.BLOCK", 500)
    path = tmp_path / "in.jsonl"
    bad = ROW.replace("user", "nobody")
    path.write_text(f"{bad}\n" * 50 + f"{ROW}\n" * 50 + '{"prompt":"a","response":"b"}\n')
    with pytest.raises(UserError, match=r"line (5\d|6\d) is messages, line 101 is"):
        read_file(path)


@pytest.mark.parametrize("whole", [True, False])
def test_progress_tells_the_lines_so_far(tmp_path, monkeypatch, whole):
    monkeypatch.setattr("curation.unpack.BLOCK", 500)
    path, told = tmp_path / "in.jsonl", list[tuple[int, int]]()
    path.write_text("[" + ",\n".join([ROW] * 100) + "]" if whole else f"{ROW}\n" * 100)
    read_file(path, progress=lambda *seen: told.append(seen))
    assert told[-1] == (path.stat().st_size, 100)
    assert told == sorted(told)


def test_bytes_that_are_no_text_are_left_to_others(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_bytes(f"{ROW}\n".encode() + ROW.encode().replace(b"Hi", b"H\xff") + b"\n")
    (block,) = blocks(path)
    assert messages_of(block) is None


@pytest.mark.parametrize("ids", [True, False])
def test_a_file_of_many_blocks_has_all_its_rows_in_order(tmp_path, ids):
    path = tmp_path / "in.jsonl"
    lines = [
        json.dumps({"messages": [{"role": "user", "content": f"{n} " + "x" * 2000}]}) for n in range(30_000)
    ]
    lines[11_000], lines[23_000] = ODD[0], lines[23_000].replace("}]}", '}],"id":1}')
    path.write_text("\n".join(lines))
    found = read_file(path, ids=ids)
    assert found.rejects["line"].to_list() == [11_001]
    rows = found.rows
    assert rows["line"].to_list() == [n for n in range(1, 30_001) if n != 11_001]
    said = rows["messages"].list.first().struct.field("content").str.split(" ").list.first().cast(pl.Int64)
    assert (said + 1).equals(rows["line"], check_names=False)
    assert rows.filter(pl.col("meta") != "{}")["line"].to_list() == [23_001]
    assert rows["id"].null_count() == (0 if ids else rows.height)
    if ids:
        assert rows["id"][29_000] == row_id(rows["messages"][29_000].to_list())
