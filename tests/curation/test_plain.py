"""What is read by the block is what would be read row by row."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.columns import Columns
from curation.decode import Fault, decode
from curation.intake import read_file
from curation.plain import check
from curation.records import to_row

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(
    ['":', "\\", '\\":', ":a"]
)
TURN = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "tool"]), "content": TEXT},
    optional={"name": TEXT, "extra": st.none() | TEXT},
)
VALUE = (
    st.none() | st.integers() | st.floats(allow_nan=False) | TEXT | st.dictionaries(TEXT, TEXT, max_size=2)
)
CHAT = st.fixed_dictionaries(
    {"messages": st.lists(TURN, min_size=1, max_size=3)},
    optional={"tags": st.lists(TEXT, max_size=2), "parents": st.lists(TEXT, max_size=2)}
    | {name: VALUE | st.lists(VALUE, max_size=2) for name in ("id", "field0", "Extra", "a b", '"', "tags ")},
)


@st.composite
def lines(draw):
    """A chat as somebody may write it: any spacing, escapes or none, now and then a key twice."""
    text = json.dumps(
        draw(CHAT),
        ensure_ascii=draw(st.booleans()),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\t", " :  ")])),
    )
    before, after = draw(st.sampled_from([('"role"', '"role":"user","role"'), ("}", ',"id":1}'), ("", "")]))
    twice = text.replace(before, after, 1) if before and draw(st.integers(0, 5)) == 0 else text
    return twice + draw(st.sampled_from(["", "\r", " "]))


def one_by_one(texts):
    columns, good = Columns("in.jsonl"), []
    for number, text in enumerate(texts, 1):
        try:
            good.append(to_row(decode(text.encode()), "messages", number))
        except Fault:
            continue
    columns.add(good)
    return columns.frame() if good else None


@pytest.mark.slow
@given(st.lists(lines(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=400)
def test_by_the_block_and_by_the_row_are_the_same(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("plain") / "in.jsonl"
    path.write_bytes("\n".join([*texts, '{"messages":[{"role":"user","content":"last"}]}']).encode())
    found = read_file(path, shape="messages")
    expected = one_by_one([*texts, '{"messages":[{"role":"user","content":"last"}]}'])
    assert found.rows.equals(expected)
    assert found.rows.height + found.rejects.height == len(texts) + 1
    assert read_file(path, shape="messages", ids=False).rows.drop("id").equals(expected.drop("id"))


@given(st.lists(lines(), min_size=1, max_size=8))
@settings(deadline=None, max_examples=200)
def test_a_line_that_passes_has_no_key_twice(texts):
    lines = [text.encode() for text in texts]
    _, passed = check(range(len(lines)), lines, frozenset({"id", "tags", "field0"}), ids=False)
    for line, good in zip(lines, passed, strict=True):
        if good:
            decode(line)


def test_plain_chats_are_read_by_the_block():
    lines = [
        b'{"messages":[{"role":"user","content":"a\\u0000\\n\\ud83d\\ude00"}]}',
        '{"tags":["x"],"messages":[{"content":"é","role":"tool"}],"n":1e3}'.encode(),
    ]
    chats, passed = check([3, 7], lines, frozenset({"n", "tags"}), ids=True)
    assert passed.all()
    assert (chats.numbers, chats.tags, chats.metas) == ([3, 7], [[], ["x"]], ["{}", '{"n":1000.0}'])
