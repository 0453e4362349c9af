"""Every shape that training files come in becomes the same messages."""

from __future__ import annotations

import json

import msgspec
import pytest

from curation.rows import plain
from curation.shapes import SHAPES, own_keys, recognise, to_turns


def messages_of(shape, record):
    return [dict(zip(("role", "content", "extra"), turn, strict=True)) for turn in to_turns(shape, record)]


ASK, ANSWER = {"role": "user", "content": "2 + 2?"}, {"role": "assistant", "content": "4"}
CALL = [{"id": "c1", "function": {"name": "add", "arguments": "{}"}}]

RECORDS = {
    "messages": {"messages": [ASK, ANSWER]},
    "conversations": {"conversations": [{"from": "human", "value": "2 + 2?"}, {"from": "gpt", "value": "4"}]},
    "prompt/response": {"prompt": "2 + 2?", "response": "4"},
    "prompt/completion": {"prompt": "2 + 2?", "completion": "4"},
    "question/answer": {"question": "2 + 2?", "answer": "4"},
    "instruction/output": {"instruction": "2 + 2?", "output": "4"},
    "input/output": {"input": "2 + 2?", "output": "4"},
    "prompt/output": {"prompt": "2 + 2?", "output": "4"},
    "prompt": {"prompt": "2 + 2?"},
}


def test_every_shape_has_its_record_here():
    assert RECORDS.keys() == SHAPES.keys()


@pytest.mark.parametrize("shape", RECORDS)
def test_a_record_is_recognised_and_becomes_messages(shape):
    record = {"id": 1, **RECORDS[shape]}
    assert recognise(record) == shape
    assert plain(messages_of(shape, record)) == ([ASK] if shape == "prompt" else [ASK, ANSWER])
    assert record.keys() - own_keys(shape) == {"id"}


@pytest.mark.parametrize("shape", [s for s in RECORDS if s not in {"messages", "conversations"}])
@pytest.mark.parametrize("wrong", [None, 4, ["4"], {"a": "4"}])
def test_a_field_of_another_type_is_refused_with_its_path(shape, wrong):
    key = shape.split("/")[-1]
    with pytest.raises(msgspec.ValidationError, match=rf"\$\.{key}"):
        messages_of(shape, RECORDS[shape] | {key: wrong})


@pytest.mark.parametrize(
    ("given", "prompt"),
    [({}, "Add."), ({"input": ""}, "Add."), ({"input": None}, "Add."), ({"input": "2 2"}, "Add.\n\n2 2")],
)
def test_the_input_of_an_instruction_may_be_missing(given, prompt):
    record = {"instruction": "Add.", "output": "4", **given}
    assert messages_of("instruction/output", record)[0]["content"] == prompt


def test_other_fields_of_a_turn_are_kept():
    turns = [ASK, {"role": "assistant", "content": None, "tool_calls": CALL}, {**ANSWER, "name": "adder"}]
    messages = messages_of("messages", {"messages": turns})
    assert messages[1]["content"] == ""
    assert json.loads(messages[1]["extra"]) == {"tool_calls": CALL}
    assert plain(messages)[2] == turns[2]
    shared = {"conversations": [{"from": "gpt", "value": "4", "weight": 0}]}
    assert plain(messages_of("conversations", shared)) == [{**ANSWER, "weight": 0}]


@pytest.mark.parametrize(
    ("said", "role"),
    [
        ("human", "user"),
        ("user", "user"),
        ("gpt", "assistant"),
        ("assistant", "assistant"),
        ("system", "system"),
    ],
)
def test_the_roles_of_conversations_are_put_in_ours(said, role):
    assert messages_of("conversations", {"conversations": [{"from": said, "value": "x"}]})[0]["role"] == role


@pytest.mark.parametrize("record", [{}, {"text": "x"}, {"question": "x"}, {"output": "x"}])
def test_what_has_no_known_keys_is_not_recognised(record):
    assert recognise(record) is None
