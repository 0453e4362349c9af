"""Rows lose their personal data and nothing else; the prefilter skips no row that has some."""

from __future__ import annotations

import json
import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.errors import UserError
from curation.fields import replace
from curation.pii import ALL, find
from curation.redact import candidates, redact, redact_text, report, without
from curation.rows import frame, make_row, row_id
from tests.curation.labelled import TEXTS, read

FOUND = [
    ("write to jane.doe+x@mail.example.co.uk, please", "write to [EMAIL], please", "EMAIL"),
    ("<a_b@example.org>", "<[EMAIL]>", "EMAIL"),
    ("key sk-abcdEFGH1234ijkl5678 is mine", "key [KEY] is mine", "KEY"),
    ("AKIAABCDEFGHIJKLMNOP", "[KEY]", "KEY"),
    ("token=ghp_abcdefghijklmnop1234", "token=[KEY]", "KEY"),
    ("hf_abcdefghijklmnop", "[KEY]", "KEY"),
    ("ftp://me:pa55word@example.org/x", "ftp://me:[KEY]@example.org/x", "KEY"),
    ("pay DE89 3704 0044 0532 0130 00 now", "pay [IBAN] now", "IBAN"),
    ("NO93 8601 1117 947 and more", "[IBAN] and more", "IBAN"),
    ("card 4111 1111 1111 1111.", "card [CARD].", "CARD"),
    ("from 203.0.113.7:8080", "from [IP]:8080", "IP"),
    ("[2001:db8::7]:80", "[[IP]]:80", "IP"),
    ("call (212) 555-0101", "call [PHONE]", "PHONE"),
    ("+44 20 7946 0958", "[PHONE]", "PHONE"),
    ("Tel. 030 1234567", "Tel. [PHONE]", "PHONE"),
]

UNTOUCHED = [
    "",
    "Nothing here at all.",
    "at 9:30 on 2026-11-21, 2026-11-21 10:00 and 21.11.2026",
    "Sort 15 3 27 8 99 100 64 12.",
    "1 400 000 000 people, or 1400000000, or 1,400,000,000",
    "4111 1111 1111 1112",
    "GB81 WEST 1234 5698 7654 32 fails the check",
    "version 300.1.2.999 and 1.2.3",
    "user@localhost and @name and a@b",
    "sk-short and task-oriented-approaches-matter",
    "[EMAIL] [KEY] [IBAN] [CARD] [IP] [PHONE], password: [KEY], https://me:[KEY]@example.org",
]


def chat(content: str, line: int = 1, extra: str | None = None, meta: str = "{}") -> dict:
    turns = [{"role": "user", "content": content}, {"role": "assistant", "content": "Yes.", "extra": extra}]
    return make_row(turns, tags=["a"], source="s", line=line, meta=meta)


@pytest.mark.parametrize(("text", "expected", "kind"), FOUND)
def test_each_kind_is_replaced(text, expected, kind):
    assert redact_text(text) == (expected, [kind])


def test_every_kind_has_an_example():
    assert {kind for _, _, kind in FOUND} == set(ALL)


@pytest.mark.parametrize("text", UNTOUCHED)
def test_other_text_is_left_alone(text):
    assert redact_text(text) == (text, [])


@given(st.lists(st.one_of(st.sampled_from([text for text, _, _ in FOUND]), st.text(max_size=8))))
def test_redacting_twice_is_redacting_once(parts):
    once, _ = redact_text("".join(parts))
    assert redact_text(once) == (once, [])


@given(st.text(alphabet="[]@.-+:/ 0123456789abcdefEMAILKEYIPT=\"'{}\n", max_size=120))
def test_any_text_is_settled_after_one_redaction(text):
    once, _ = redact_text(text)
    assert redact_text(once) == (once, [])


@pytest.mark.parametrize("part", ["tuning", "test"])
def test_text_outside_the_spans_is_unchanged(part):
    for entry in read(part):
        new, spans = replace(entry["text"])
        ends = [0, *(s.end for s in spans)]
        kept = [new[a:b] for a, b in zip(ends, [*(s.start for s in spans), len(new)], strict=True)]
        assert re.fullmatch("(.+)".join(map(re.escape, kept)), entry["text"], re.DOTALL)
        assert [new[s.start : s.end] for s in spans] == [f"[{s.kind}]" for s in spans]


def test_rows_that_changed_say_so_and_have_the_id_of_what_they_say_now():
    clean = chat("Hello", meta='{"k":1}')
    rows, counts = redact(frame([clean, chat("I am a@example.org, not b@example.org or 203.0.113.7?", 2)]))
    assert counts == {"EMAIL": 2, "IP": 1}
    assert rows.row(0, named=True) == clean
    changed = rows.row(1, named=True)
    assert changed["messages"][0]["content"] == "I am [EMAIL], not [EMAIL] or [IP]?"
    assert changed["tags"] == ["a", "redacted"]
    assert changed["id"] == row_id(changed["messages"])
    assert redact(rows)[0].equals(rows)


def test_only_the_asked_kinds_are_replaced():
    text = "a@example.org and 203.0.113.7, ftp://me:pa55word@example.org"
    expected = "[EMAIL] and 203.0.113.7, ftp://me:pa55word@example.org"
    assert redact_text(text, ["EMAIL"]) == (expected, ["EMAIL"])
    rows, counts = redact(frame([chat(text), chat("203.0.113.7")]), ["EMAIL"])
    assert counts == {"EMAIL": 1}
    assert rows["messages"].list.get(0).struct.field("content").to_list() == [expected, "203.0.113.7"]


def test_fields_and_tool_calls_are_redacted_and_stay_json():
    arguments = json.dumps({"to": "b@example.org", "card": 4111111111111111, "password": "hunter2x"})
    extra = json.dumps({"tool_calls": [{"function": {"name": "send", "arguments": arguments}}]})
    meta = json.dumps({"note": "of a@example.org", "phone": "3125550148", "n": 1.5, "ok": True})
    rows, counts = redact(frame([chat("Hello", extra=extra, meta=meta)]))
    assert counts == {"EMAIL": 2, "CARD": 1, "KEY": 1, "PHONE": 1}
    row = rows.row(0, named=True)
    assert json.loads(row["meta"]) == {"note": "of [EMAIL]", "phone": "[PHONE]", "n": 1.5, "ok": True}
    call = json.loads(row["messages"][1]["extra"])["tool_calls"][0]["function"]
    assert json.loads(call["arguments"]) == {"to": "[EMAIL]", "card": "[CARD]", "password": "[KEY]"}
    assert row["id"] == row_id(row["messages"])


def test_fields_without_personal_data_keep_every_byte():
    extra, meta = '{"x":  1.50}', '{"b":2, "a":\t[1e3]}'
    rows, _ = redact(frame([chat("a@example.org", extra=extra, meta=meta)]))
    row = rows.row(0, named=True)
    assert (row["messages"][1]["extra"], row["meta"]) == (extra, meta)


def test_a_report_masks_every_value_and_changes_nothing():
    rows = frame(
        [chat("Hello"), chat("Mail a@example.org from 203.0.113.7", 7, meta='{"c": "b@example.org"}')]
    )
    found = report(rows, ["EMAIL"])
    assert found.select("kind", "source", "line", "field", "excerpt").rows() == [
        ("EMAIL", "s", 7, "messages[0].content", "Mail [EMAIL] from [IP]"),
        ("EMAIL", "s", 7, "c", "c: [EMAIL]"),
    ]
    assert set(found["row_id"]) == {rows["id"][1]}


def test_dropped_rows_name_the_kinds_and_fields_but_no_value():
    rows = frame([chat("Hello"), chat("a@example.org and 203.0.113.7", 2), chat("203.0.113.7", 3)])
    stay, drops = without(rows, ["EMAIL"])
    assert stay["line"].to_list() == [1, 3]
    (drop,) = drops.rows(named=True)
    assert (drop["row_id"], drop["line"], drop["reason"]) == (rows["id"][1], 2, "personal data: EMAIL")
    assert drop["detail"] == "messages[0].content"
    assert without(rows)[0]["line"].to_list() == [1]


@pytest.mark.parametrize("place", ["content", "extra", "meta"])
def test_the_prefilter_misses_no_labelled_text(place):
    texts = [t["text"] for t in TEXTS]
    value = [json.dumps({"x": text}) for text in texts]
    made = {
        "content": lambda i: chat(texts[i]),
        "extra": lambda i: chat("", extra=value[i]),
        "meta": lambda i: chat("", meta=value[i]),
    }[place]
    rows = frame(made(i) for i in range(len(texts)))
    assert {i for i, text in enumerate(texts) if find(text)} <= set(candidates(rows))


@given(st.text(alphabet="@.:-+/= 0123456789abcdefEKSkstonpw_\"'", max_size=60))
def test_the_prefilter_misses_no_text(text):
    if find(text):
        assert candidates(frame([chat(text)])) == [0]


def test_a_field_that_is_too_deep_to_be_searched_is_named():
    meta = json.dumps({"x": json.loads("[" * 900 + "1" + "]" * 900)})
    with pytest.raises(UserError, match="nested too deeply") as fault:
        redact(frame([chat("a@example.org", 7, meta=meta)]))
    assert fault.value.where == "s:7"


def test_two_addresses_as_names_keep_both_values():
    rows, _ = redact(frame([chat("", meta='{"a@example.org": 1, "b@example.org": 2}')]))
    assert json.loads(rows["meta"][0]) == {"[EMAIL]": 1, "[EMAIL]'": 2}


@given(
    st.recursive(
        st.sampled_from([text for text, _, _ in FOUND]) | st.integers() | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["note", "phone", "token", "a"]), inner)
        ),
    )
)
def test_json_keeps_its_shape_and_is_settled_after_one_redaction(value):
    rows, _ = redact(
        frame([chat("", extra=json.dumps({"v": value}), meta=json.dumps({"w": json.dumps(value)}))])
    )
    row = rows.row(0, named=True)
    assert isinstance(json.loads(row["messages"][1]["extra"])["v"], type(value) | str)
    assert redact(rows)[0].equals(rows)


def test_no_rows_stay_no_rows():
    assert redact(frame([]))[0].equals(frame([]))
    assert report(frame([])).height == 0
    assert without(frame([]))[0].schema == pl.Schema(frame([]).schema)
