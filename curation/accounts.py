"""Finds account and card numbers: IBANs and payment cards, right by their length, range and checksum."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ \u00a0-]?[A-Za-z0-9]){11,30}")
_COUNTRIES = """
AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29
ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20
LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29
PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20
YE30
"""
_LENGTHS = {entry[:2]: int(entry[2:]) for entry in _COUNTRIES.split()}


def find_ibans(text: str) -> Iterator[tuple[int, int]]:
    """Places of IBANs: as long as their country's are, and right by their checksum."""
    for m in _IBAN.finditer(text):
        places = [i for i, c in enumerate(m.group()) if c.isalnum()]
        length = _LENGTHS.get(m.group()[:2].upper(), 99)
        end = m.start() + places[length - 1] + 1 if length <= len(places) else 0
        if end and not text[end : end + 1].isalnum() and iban(text[m.start() : end]):
            yield m.start(), end


def iban(text: str) -> bool:
    """Whether `text` is right by the mod-97 checksum of an IBAN (ISO 13616)."""
    packed = re.sub(r"[^A-Za-z0-9]", "", text)
    return int("".join(str(int(c, 36)) for c in packed[4:] + packed[:4])) % 97 == 1


_S = r"[ \u00a0-]"
_CARD = re.compile(
    rf"(?<![\w])(?<![\d][.,])(?<!\d-)(?:\d{{4}}({_S})\d{{4}}\1\d{{4}}\1\d{{1,4}}(?:\1\d{{3}})?|\d{{4}}({_S})\d{{6}}\2\d{{4,5}}"
    r"|\d{12,19})(?!\w|-\d|[.,]\d)"
)
_ISSUERS = re.compile(
    r"4\d{15}(?:\d{3})?"  # Visa
    r"|(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}|3(?:0[0-5]|09|[689]\d)\d{11}(?:\d{2})?"  # American Express, Diners Club
    r"|(?:64[4-9]\d|6[025]\d{2}|8[12]\d{2})\d{12}(?:\d{3})?"  # Discover, RuPay, UnionPay
    r"|35(?:2[89]|[3-8]\d)\d{12}|220[0-4]\d{12}|9792\d{12}"  # JCB, Mir, Troy
    r"|(?:50|5[6-8]|6[37]|69)\d{14,17}"  # Maestro
)


def find_cards(text: str) -> Iterator[tuple[int, int]]:
    """Places of payment cards: grouped as on a card, in an issuer's range, and right by their checksum."""
    for m in _CARD.finditer(text):
        digits = re.sub(r"\D", "", m.group())
        if _ISSUERS.fullmatch(digits) and luhn(digits):
            yield m.span()


def luhn(text: str) -> bool:
    """Whether the digits of `text` are right by the checksum of payment cards (ISO/IEC 7812-1)."""
    digits = [int(c) for c in text if c.isdigit()]
    doubled = [d if i % 2 == 0 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0
