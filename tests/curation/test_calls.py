"""What a turn calls is part of its text, in plain Python as in the kernels."""

from __future__ import annotations

import json

import polars as pl
import pytest

from curation.calls import said, with_calls
from curation.dedup import How, drop_duplicates
from curation.near.texts import contents, of_messages
from curation.rows import frame, make_row

LIGHTS = "Please set the lights in the living room to the level that I like in the evening"


def calling(name: str, arguments: object, number: int = 1) -> str:
    call = {"id": f"call{number}", "type": "function", "function": {"name": name, "arguments": arguments}}
    return json.dumps({"tool_calls": [call]})


def row(extra: str, line: int, prompt: str = LIGHTS, content: str = "") -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": content, "extra": extra}]
    return make_row(turns, line=line)


@pytest.mark.parametrize(
    ("extra", "text"),
    [
        (calling("set_light", '{"room": "hall", "level": 10}'), "tool_call set_light level 10 room hall"),
        (calling("set_light", {"room": "hall", "level": 10}), "tool_call set_light level 10 room hall"),
        (calling("say", "no JSON {"), "tool_call say no JSON _left_curly_bracket_"),
        (calling("set", '{"t": -5}'), "tool_call set t _hyphen_minus_5"),
        (calling("set", '{"t": []}'), "tool_call set t _left_square_bracket__right_square_bracket_"),
        (calling("see", '{"at": "the red, old house"}'), "tool_call see at the red, old house"),
        (calling("stop", None), "tool_call stop null"),
        (
            '{"function_call":{"name":"go","arguments":"{}"}}',
            "tool_call go _left_curly_bracket__right_curly_bracket_",
        ),
        (
            '{"tool_calls":[1,"odd",{"id":"x","type":"y"}]}',
            "tool_call 1\ntool_call odd\ntool_call id x type y",
        ),
        ('{"name":"a_call"}', ""),
        ('{"tool_calls":null}', ""),
        (None, ""),
    ],
)
def test_calls_are_told_as_words(extra, text):
    assert said("", extra) == said(None, extra) == text
    assert said("Well.", extra) == ("Well.\n" + text if text else "Well.")
    turns = [{"role": "assistant", "content": "Well.", "extra": extra}]
    assert with_calls(turns)[0]["content"] == said("Well.", extra)


def test_kernels_read_the_same_text():
    extras = [None, calling("set", '{"t": "日本"}'), '{"name":"ada"}', calling("go", "{}")]
    turns = [{"role": "user", "content": f"turn {i}", "extra": extra} for i, extra in enumerate(extras)]
    messages = frame([make_row(turns), make_row(turns[:1])])["messages"]
    texts = of_messages(messages, "all")
    read = [
        bytes(texts.data[a:b]).decode() for a, b in zip(texts.offsets[:-1], texts.offsets[1:], strict=True)
    ]
    assert read == [said(t["content"], t["extra"]) for t in [*turns, turns[0]]]
    assert bytes(contents(messages.to_arrow()).data).decode().startswith("turn 0turn 1turn 2turn 3turn 0")


def test_rows_that_call_other_tools_contradict_each_other():
    rows = frame(
        [
            row(calling("set_light", '{"level": 10}'), 1),
            row(calling("delete_all", '{"x": 1}'), 2),
            row(calling("set_light", '{"level": -10}'), 3),
            row(calling("set_light", '{ "level" : 10 }', number=2), 4),
            row("{}", 5, content="set_light level 10"),
        ]
    )
    done = drop_duplicates(rows)
    assert done.drops.select("reason", "similarity", "answer_similarity").rows() == [("near duplicate", 1, 1)]
    assert set(done.rows["line"]) in ({1, 2, 3, 5}, {2, 3, 4, 5})
    assert done.conflicts.height == 6
    assert "tool_call delete_all x 1" in set(done.conflicts["answer"]) | set(done.conflicts["partner_answer"])
    assert drop_duplicates(rows, How(on="all", threshold=0.99)).drops.height == 1


def test_calls_in_the_middle_of_a_talk_count_as_prompt():
    def talk(name: str, line: int) -> dict:
        turns = [
            {"role": "user", "content": "do it"},
            {"role": "assistant", "content": "", "extra": calling(name, "{}")},
            {"role": "tool", "content": "5"},
            {"role": "assistant", "content": "done"},
        ]
        return make_row(turns, line=line)

    done = drop_duplicates(frame([talk("get", 1), talk("remove", 2)]))
    assert (done.drops.height, done.conflicts.height) == (0, 0)


def test_a_template_with_calls_has_a_name():
    many = [row("{}", i, f"w{i}a w{i}b w{i}c w{i}d", "fine") for i in range(30)]
    for i, one in enumerate(many):
        first = {
            "role": "assistant",
            "content": "",
            "extra": calling("look_up", '{"place": "the old house"}'),
        }
        many[i] = make_row([first, *one["messages"]], line=i)
    done = drop_duplicates(frame(many))
    assert [t.text for t in done.templates] == ["tool_call look_up place the old house"]
    assert done.rows.schema["messages"] == frame([])["messages"].dtype
    assert isinstance(done.rows, pl.DataFrame)
