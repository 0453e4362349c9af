"""Personal data is replaced, and what only looks like it is not."""

from __future__ import annotations

import pytest

from curation.redact import KINDS, iban, ip, luhn, redact, redact_text
from curation.rows import frame, make_row, row_id

FOUND = [
    ("write to jane.doe+x@mail.example.co.uk, please", "write to [EMAIL], please", "EMAIL"),
    ("<a_b@example.org>", "<[EMAIL]>", "EMAIL"),
    ("key sk-abcdEFGH1234ijkl5678 is mine", "key [KEY] is mine", "KEY"),
    ("AKIAABCDEFGHIJKLMNOP", "[KEY]", "KEY"),
    ("token=ghp_abcdefghijklmnop1234", "token=[KEY]", "KEY"),
    ("hf_abcdefghijklmnop", "[KEY]", "KEY"),
    ("pay DE89 3704 0044 0532 0130 00 now", "pay [IBAN] now", "IBAN"),
    ("GB82WEST12345698765432", "[IBAN]", "IBAN"),
    ("NO93 8601 1117 947.", "[IBAN].", "IBAN"),
    ("card 4111 1111 1111 1111.", "card [CARD].", "CARD"),
    ("5500-0000-0000-0004", "[CARD]", "CARD"),
    ("378282246310005", "[CARD]", "CARD"),
    ("from 203.0.113.7:8080", "from [IP]:8080", "IP"),
    ("call 212-555-0101 now", "call [PHONE] now", "PHONE"),
    ("call (212) 555-0101", "call [PHONE]", "PHONE"),
    ("call 1-212-555-0101", "call [PHONE]", "PHONE"),
    ("call 212.555.0101", "call [PHONE]", "PHONE"),
    ("+44 20 7946 0958", "[PHONE]", "PHONE"),
    ("+491711234567, bye", "[PHONE], bye", "PHONE"),
    ("Tel. 030 1234567", "Tel. [PHONE]", "PHONE"),
    ("(0171) 123 45 67", "[PHONE]", "PHONE"),
]

UNTOUCHED = [
    "",
    "Nothing here at all.",
    "at 9:30 on 2026-11-21, 2026-11-21 10:00 and 21.11.2026",
    "Sort 15 3 27 8 99 100 64 12.",
    "The years 2019 2020 2021 2022",
    "1 400 000 000 people, or 1400000000, or 1,400,000,000",
    "a time stamp of 1700000000 and pi 3.14159265358979",
    "ISBN 978-3-16-148410-0",
    "4111 1111 1111 1112",
    "GB81 WEST 1234 5698 7654 32 fails the check",
    "version 300.1.2.999 and 1.2.3",
    "f(x) = 2 * (3 + 4) - 5",
    "user@localhost and @name and a@b",
    "sk-short and task-oriented-approaches-matter",
    "GDP 2020 ABCD 1234",
]


@pytest.mark.parametrize(("text", "expected", "kind"), FOUND)
def test_each_kind_is_replaced(text, expected, kind):
    assert redact_text(text) == (expected, [kind])


def test_every_kind_has_an_example():
    assert {kind for _, _, kind in FOUND} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("text", UNTOUCHED)
def test_other_text_is_left_alone(text):
    assert redact_text(text) == (text, [])


@pytest.mark.parametrize(("text", "expected", "kind"), FOUND)
def test_redacting_twice_is_redacting_once(text, expected, kind):
    assert redact_text(expected) == (expected, [])


@pytest.mark.parametrize("digit", range(10))
def test_only_the_check_digit_makes_a_card_number(digit):
    assert luhn(f"411111111111111{digit}") == (digit == 1)
    assert iban(f"DE8{digit}370400440532013000") == (digit == 9)


@pytest.mark.parametrize(("text", "good"), [("0.0.0.0", True), ("256.1.1.1", False), ("01.2.3.4", False)])
def test_an_address_has_four_bytes(text, good):
    assert ip(text) == good


def test_rows_that_changed_say_so_and_have_the_id_of_what_they_say_now():
    clean = make_row([{"role": "user", "content": "Hello"}], tags=["a"], source="s", line=1, meta='{"k":1}')
    turns = [
        {"role": "user", "content": "I am a@example.org"},
        {"role": "assistant", "content": "Not b@example.org or 203.0.113.7?", "extra": '{"name":"x"}'},
    ]
    rows, counts = redact(frame([clean, make_row(turns, tags=["a"], source="s", line=2)]))
    assert counts == {"EMAIL": 2, "IP": 1}
    assert rows.row(0, named=True) == clean
    changed = rows.row(1, named=True)
    assert [m["content"] for m in changed["messages"]] == ["I am [EMAIL]", "Not [EMAIL] or [IP]?"]
    assert changed["messages"][1]["extra"] == '{"name":"x"}'
    assert changed["tags"] == ["a", "redacted"]
    assert changed["id"] == row_id(changed["messages"])
