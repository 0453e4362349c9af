"""Rows: ids that are the same on every machine, and the texts that others compare."""

from __future__ import annotations

import pytest

from curation.rows import (
    ROWS,
    answer_text,
    canonical,
    frame,
    make_row,
    plain,
    prompt_text,
    row_id,
    split_answer,
)

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4"},
]


def test_the_id_is_frozen_for_all_time():
    assert row_id([{"role": "user", "content": "Grüße"}]) == "6aee3772825fddc3"


@pytest.mark.parametrize(
    "other",
    [
        [{"role": "assistant", "content": "a"}],
        [{"role": "user", "content": "a "}],
        [{"role": "user", "content": "a", "extra": "{}"}],
        [{"role": "user", "content": "a"}] * 2,
        [],
    ],
)
def test_the_id_tells_messages_apart(other):
    assert row_id(other) != row_id([{"role": "user", "content": "a"}])


def test_prompt_and_answer():
    assert split_answer(TALK) == (TALK[:-1], "4")
    assert answer_text(TALK) == "4"
    assert prompt_text(TALK) == "Hi\nHello\n2 + 2?"
    assert (answer_text(TALK[:-1]), prompt_text(TALK[:-1])) == ("", "Hi\nHello\n2 + 2?")
    assert split_answer([]) == ([], "")


def test_a_row_survives_the_frame():
    row = make_row(TALK, tags=["a"], source="s", line=3, parents=["p"], family="f", meta='{"k":1}')
    table = frame([row])
    assert table.schema == ROWS
    assert table.row(0, named=True) == row
    assert plain(row["messages"]) == TALK
    assert frame([]).schema == ROWS


def test_plain_messages_have_their_other_fields_back():
    turn = {"role": "assistant", "content": "", "extra": '{"tool_calls":[1]}'}
    assert plain([turn]) == [{"role": "assistant", "content": "", "tool_calls": [1]}]


def test_what_is_hashed_has_one_form():
    assert canonical({"b": [1, None], "a": "é"}) == '{"a":"é","b":[1,null]}'
