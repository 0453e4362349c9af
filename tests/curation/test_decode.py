"""A decoder that passes nothing over: held against the standard library's, which sees every pair."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curation.decode import Fault, decode, keys, separators
from curation.rows import row_id, turns_id

NAMES = st.sampled_from(["a", "b", 'a"', "a\\", ":", "a:", '":', "é", ""])
LEAVES = st.sampled_from([1, None, "x", ":", ":)", '":', "\\", 'say "a": 1', '\\":', " : ", '" :', "tail\\"])


@st.composite
def objects(draw: st.DrawFn, depth: int = 2) -> str:
    """JSON text of an object in which keys may stand twice, with white space wherever it is allowed."""
    pairs = []
    for name in draw(st.lists(NAMES, max_size=4)):
        blank = draw(st.sampled_from(["", "", "", " ", "  ", "\t", "\r"]))
        if depth and draw(st.integers(0, 4)) == 0:
            value = draw(objects(depth - 1))
        else:
            leaf = json.dumps(draw(LEAVES), ensure_ascii=draw(st.booleans()))
            value = draw(st.sampled_from([leaf, f"[{leaf}, {leaf}]"]))
        pairs.append(f"{json.dumps(name)}{blank}:{draw(st.sampled_from(['', ' ']))}{value}")
    return "{" + ",".join(pairs) + "}"


def twice(text: str) -> bool:
    found = []

    def note(pairs: list) -> dict:
        found.append(len(dict(pairs)) < len(pairs))
        return dict(pairs)

    json.loads(text, object_pairs_hook=note)
    return any(found)


@given(st.lists(objects(), min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, max_examples=1500)
@example(['{"a"  :1,"a":2}'])
@example(['{"a\\\\":1,"b":":","a\\\\":2}'])
@example(['{"a" :1,"a":":"}'])
def test_a_key_that_stands_twice_is_always_found(texts):
    counts = separators([text.encode() for text in texts])
    for text, count in zip(texts, counts.tolist(), strict=True):
        if twice(text):
            with pytest.raises(Fault, match="stands twice"):
                decode(text.encode(), count)
        else:
            assert decode(text.encode(), count) == json.loads(text)


@given(objects())
@settings(deadline=None, derandomize=True, max_examples=500)
def test_the_count_of_separators_is_never_too_small(text):
    if not twice(text):
        (count,) = separators([text.encode()]).tolist()
        assert count == -1 or count >= keys(json.loads(text))


@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda t: t.encode("utf8", "surrogatepass")))
@settings(deadline=None, derandomize=True, max_examples=1000)
def test_any_bytes_give_an_object_or_a_fault(line):
    with contextlib.suppress(Fault):
        assert isinstance(decode(line), dict)


TURNS = st.lists(
    st.tuples(
        st.sampled_from(["user", "assistant"]),
        st.text(st.characters(exclude_categories=["Cs"])),
        st.none() | st.just('{"name":"a"}'),
    ),
    max_size=4,
)


@given(TURNS)
@settings(deadline=None, derandomize=True, max_examples=500)
def test_the_quick_id_is_the_id(turns):
    assert turns_id(turns) == row_id([dict(zip(("role", "content", "extra"), t, strict=True)) for t in turns])
