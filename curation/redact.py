"""Personal data and secrets: found by pattern and checksum, replaced by typed placeholders."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.rows import frame, row_id

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl


class Kind(NamedTuple):
    """A kind of personal data: its pattern, and a check that a match must pass."""

    name: str
    pattern: re.Pattern[str]
    check: Callable[[str], bool]


def luhn(text: str) -> bool:
    """Whether the digits of `text` are a payment card number by the Luhn checksum (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


def iban(text: str) -> bool:
    """Whether `text` is an IBAN by its mod-97 checksum (ISO 13616)."""
    packed = re.sub(r"\s", "", text).upper()
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


def ip(text: str) -> bool:
    """Whether `text` is an IPv4 address."""
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def phone(text: str) -> bool:
    """Whether `text` has as many digits as a telephone number (E.164 allows 15)."""
    return 9 <= sum(c.isdigit() for c in text) <= 15


def _always(_: str) -> bool:
    return True


KINDS = (
    Kind("EMAIL", re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b"), _always),
    Kind(
        "KEY",
        re.compile(r"\b(?:sk-|pk-|ghp_|gho_|xox[bp]-|AKIA|AIza|hf_)[A-Za-z0-9_\-]{12,}\b"),
        _always,
    ),
    Kind("IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), iban),
    Kind("CARD", re.compile(r"\b\d(?:[ -]?\d){12,18}\b"), luhn),
    Kind("IP", re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b"), ip),
    Kind(
        "PHONE",
        re.compile(
            r"(?<![\w.])(?:\+\d[\d ().\-]{7,18}\d"  # international: +44 20 7946 0958
            r"|(?:1[ .\-])?(?:\(\d{3}\) ?|\d{3}[ .\-])\d{3}[ .\-]\d{4}"  # North America: (212) 555-0101
            r"|\(?0\d{1,4}\)?(?:[ /.\-]\d{2,8}){1,4})\b"  # national, with a leading zero: 030 1234567
        ),
        phone,
    ),
)
"""Tried in this order; what one has replaced, the next does not see."""


def redact_text(text: str) -> tuple[str, list[str]]:
    """Replace personal data in a text.

    Returns:
        The text with placeholders such as `[EMAIL]`, and the kinds found, in order of `KINDS`.
    """
    found: list[str] = []
    for kind in KINDS:

        def place(match: re.Match[str], kind: Kind = kind) -> str:
            if not kind.check(match.group()):
                return match.group()
            found.append(kind.name)
            return f"[{kind.name}]"

        text = kind.pattern.sub(place, text)
    return text, found


def redact(rows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Replace personal data in every turn of every row; a row that changed gets the tag `redacted`.

    Args:
        rows: Rows with schema ROWS.

    Returns:
        The rows, and the number of replacements by kind. The id of a changed row is that of its new
        content.
    """
    counts: dict[str, int] = {}
    changed = [_redact_row(row, counts) for row in rows.iter_rows(named=True)]
    return frame(changed), counts


def _redact_row(row: dict[str, Any], counts: dict[str, int]) -> dict[str, Any]:
    found: list[str] = []
    turns = []
    for turn in row["messages"]:
        content, kinds = redact_text(turn["content"])
        turns.append({**turn, "content": content})
        found += kinds
    for kind in found:
        counts[kind] = counts.get(kind, 0) + 1
    if not found:
        return row
    return {**row, "id": row_id(turns), "messages": turns, "tags": [*row["tags"], "redacted"]}
