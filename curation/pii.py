"""Personal data in a text: where it stands and of which kind, by pattern, checksum and context."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from curation import accounts, addresses, keys, phones

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

KindName = Literal["KEY", "EMAIL", "IBAN", "CARD", "IP", "PHONE"]
"""Kinds of personal data, in the order in which they claim a place in a text."""

ALL: tuple[KindName, ...] = get_args(KindName)


class Span(NamedTuple):
    """A place in a text, `text[start:end]`, and the kind of what stands there."""

    kind: KindName
    start: int
    end: int


class Kind(NamedTuple):
    """How a kind is found: `hint` is a pattern that every text with it matches; `find` gives the places."""

    hint: str
    find: Callable[[str], Iterator[tuple[int, int]]]


KINDS: dict[KindName, Kind] = {
    "KEY": Kind(keys.HINT, keys.find_keys),
    "EMAIL": Kind(r"@|%40|[\[(](?:at|AT)[\])]| AT ", addresses.find_emails),
    "IBAN": Kind(r"[A-Za-z]{2}[0-9]{2}[ \u00a0-]?[A-Za-z0-9]", accounts.find_ibans),
    "CARD": Kind(r"[0-9]{4}[ \u00a0-]?[0-9]{4}", accounts.find_cards),
    "IP": Kind(r"[0-9]\.[0-9]+\.[0-9]+\.[0-9]|:[0-9A-Fa-f]*:", addresses.find_ips),
    "PHONE": Kind(phones.HINT, phones.find_phones),
}
PLACEHOLDER = re.compile(rf"\[(?:{'|'.join(ALL)})\]")
"""What stands for data that was replaced; nothing is looked for inside."""


_HINTS = {kind: re.compile(entry.hint) for kind, entry in KINDS.items()}


def find(text: str, kinds: Collection[KindName] = ALL) -> list[Span]:
    """Places of personal data in a text, in their order; no two overlap.

    All kinds are looked for even if few are asked for: the password in `ftp://me:pass@example.org` must
    not pass for an e-mail address.
    """
    if not any(_HINTS[kind].search(text) for kind in kinds):
        return []
    spans: list[Span] = []
    masked = list(text)
    while new := _once("".join(masked)):
        for _, start, end in new:
            masked[start:end] = "[" + "\0" * (end - start - 2) + "]"
        spans += new
    return sorted((s for s in spans if s.kind in kinds), key=lambda s: s.start)


def _once(text: str) -> list[Span]:
    """What one look finds; where that is masked, another may find more beside it."""
    taken = bytearray(len(text))
    for m in PLACEHOLDER.finditer(text):
        taken[m.start() : m.end()] = b"x" * len(m.group())
    spans: list[Span] = []
    for kind in ALL:
        for start, end in KINDS[kind].find(text) if _HINTS[kind].search(text) else ():
            if not any(taken[start:end]):
                taken[start:end] = b"x" * (end - start)
                spans.append(Span(kind, start, end))
    return spans
