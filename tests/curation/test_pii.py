"""Kinds of personal data: checksums, ranges and forms decide, and the labelled texts say how well."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.accounts import iban, luhn
from curation.addresses import address
from curation.keys import entropy, secret
from curation.phones import international, national
from curation.pii import ALL, find
from tests.curation.labelled import TEXTS, read, score

DIGITS = st.text(alphabet="0123456789")
SEPARATORS = st.sampled_from(["", " ", "-"])


def kinds(text: str) -> list[str]:
    return [span.kind for span in find(text)]


def grouped(text: str, separator: str) -> str:
    return separator.join(re.findall(".{1,4}", text))


def test_the_parts_are_large_and_share_no_text():
    tuning, test = ({t["text"] for t in read(part)} for part in ("tuning", "test"))
    assert min(len(tuning), len(test)) >= 150
    assert not tuning & test


def test_every_label_lies_in_its_text():
    for entry in TEXTS:
        spans = sorted(entry["spans"], key=lambda s: s["start"])
        ends = [0, *(s["end"] for s in spans)]
        assert all(e <= s["start"] < s["end"] for e, s in zip(ends, spans, strict=False))
        assert ends[-1] <= len(entry["text"])
        assert {s["kind"] for s in spans} <= set(ALL)


FLOORS = {
    "KEY": (0.98, 0.98),
    "EMAIL": (0.96, 0.96),
    "IBAN": (0.95, 0.95),
    "CARD": (0.95, 0.95),
    "IP": (0.96, 0.96),
    "PHONE": (0.95, 0.92),
}
"""Precision and recall, about one text below what was measured."""


@pytest.mark.parametrize("kind", ALL)
def test_precision_and_recall_on_the_test_part(kind):
    measured = score(read("test"))[kind]
    precision, recall = FLOORS[kind]
    assert measured["precision"] >= precision
    assert measured["recall"] >= recall


@given(
    st.sampled_from(["4", "51", "55", "2223", "6011", "3530"]),
    DIGITS.filter(bool),
    SEPARATORS,
    st.integers(1, 9),
)
def test_a_card_is_found_by_its_check_digit_alone(prefix, rest, separator, off):
    body = (prefix + rest * 15)[:15]
    digit = next(d for d in range(10) if luhn(f"{body}{d}"))
    good, bad = f"{body}{digit}", f"{body}{(digit + off) % 10}"
    assert kinds(f"pay with {grouped(good, separator)} today") == ["CARD"]
    assert "CARD" not in kinds(f"pay with {grouped(bad, separator)} today")


@given(
    st.sampled_from([("DE", 18), ("AT", 16), ("PL", 24), ("NO", 11), ("BE", 12), ("ES", 20)]),
    st.text(alphabet="0123456789", min_size=24, max_size=24),
    SEPARATORS,
    st.integers(1, 96),
)
def test_an_iban_is_found_by_its_check_digits_alone(country, digits, separator, off):
    code, length = country
    body = digits[:length]
    check = next(c for c in range(2, 99) if iban(f"{code}{c:02}{body}"))
    wrong = (check - 2 + off) % 97 + 2
    assert kinds(f"to {grouped(f'{code}{check:02}{body}', separator)} please") == ["IBAN"]
    assert "IBAN" not in kinds(f"to {grouped(f'{code}{wrong:02}{body}', separator)} please")


@given(st.ip_addresses(network="203.0.113.0/24") | st.ip_addresses(network="2001:db8::/32"))
def test_any_address_of_a_network_is_found(ip):
    (span,) = find(f"from {ip} at noon")
    assert (span.kind, span.start, span.end) == ("IP", 5, 5 + len(str(ip)))


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "0.0.0.0", "255.255.255.0", "::1", "224.0.0.1", "256.1.1.1", "01.2.3.4"]
)
def test_addresses_of_nobody(text):
    assert not address(text)


@pytest.mark.parametrize(
    ("text", "good"),
    [("+49 30 1234567", True), ("0044 20 7946 0958", True), ("+999 1234567", False), ("+49 12345", False)],
)
def test_a_country_code_must_be_in_use_and_the_number_long_enough(text, good):
    assert international(text) == good


@pytest.mark.parametrize(
    ("text", "good"),
    [("030 1234567", True), ("02110-1301", False), ("01.02.2026 10", False), ("000 000 000", False)],
)
def test_a_national_number_is_no_date_or_postcode(text, good):
    assert national(text, minimum=9) == good


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        ("password", "w0lkenkratzer", True),
        ("password", "string", False),
        ("password", "${DB_PASSWORD}", False),
        ("api_key", "f3a9c1d27b604e5f8a1c", True),
        ("api_key", "YOUR_API_KEY_1234567", False),
        ("token", "AutoTokenizer", False),
        ("token", "1234567890123456", False),
    ],
)
def test_a_named_value_is_a_secret_if_it_looks_like_none_of_our_words(name, value, good):
    assert secret(name, value) == good


def test_entropy_is_that_of_shannon():
    assert (entropy("aaaa"), entropy("abab"), entropy("abcd")) == (0, 1, 2)


def test_a_private_key_is_one_piece_even_if_its_end_is_missing():
    block = "-----BEGIN RSA PRIVATE KEY-----\nabc+/123\nxyz=\n"
    whole = block + "-----END RSA PRIVATE KEY-----"
    assert [(s.kind, s.start, s.end) for s in find(whole)] == [("KEY", 0, len(whole))]
    assert kinds(block) == ["KEY"]
    assert kinds(whole.replace("PRIVATE", "PUBLIC")) == []


@given(st.text(alphabet="aA0@:/.-+ =[]", max_size=2000))
def test_long_odd_texts_are_searched_without_error(text):
    spans = find(text)
    assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
