"""Finds telephone numbers: international ones, the national forms that stand alone, the others by a word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_S = r"[ .\-/\u00a0\u2010\u2011\u2013]"
_END = r"(?!\w|[-.,/:]\d)"
_INTERNATIONAL = re.compile(
    rf"(?<![\w+.,/])(?P<value>(?:\+|%2B|\uff0b|\(\+|00(?=[1-9]))[1-9](?:(?:{_S}|{_S}?[()]{_S}?)?\d){{7,14}}){_END}"
)
_ALONE = re.compile(
    r"(?<![\w+.,/\-])(?<![$\u20ac\u00a3#])(?P<value>"
    r"(?:1[ .\-])?(?:\([2-9]\d{2}\) ?[2-9]\d{2}[ .\-]\d{4}|[2-9]\d{2}([.\-])[2-9]\d{2}\2\d{4})"  # America
    rf"|\(0\d{{1,4}}\){_S}?\d{{2,8}}(?:{_S}\d{{2,6}}){{0,3}}"  # area code in brackets
    rf"|0[1-9]\d{{0,3}}{_S}(?:[1-9]\d{{2,8}}|0\d{{3,7}})(?:{_S}\d{{2,5}}){{0,3}}"  # national
    r"|0\d(?:([ .\-])\d{2})(?:\3\d{2}){3}"  # pairs: 06 12 34 56 78
    r"|07[1-9]\d{8}|0[67][1-9]\d{7}"  # mobile: United Kingdom, France
    r"|\(\d{2}\) ?9?\d{4}-\d{4}|[78] \(\d{3}\) \d{3}-\d{2}-\d{2}"  # Brazil, Russia
    rf"){_END}"
)
_WORD = (
    r"(?i:\b(?:tel|telefon|telefone|tel\u00e9fono|t\u00e9l\u00e9phone|telephone|phone|mobile|mobil|cell|handy|natel|gsm|"
    r"fax|hotline|landline|portable|celular|m\u00f3vil|movil|cellulare|whatsapp|wa|sms|call|calling|ring|text|dial|"
    r"contact|contato|contacto|contatto|number|numero|n\u00famero|num\u00e9ro|nummer|num|caller|callee|kontor|kontakt|"
    r"puhelin|numeroon|numer|numarasi|telefonu|ll\u00e1mame|llamar|chiamami|ligue|appelez|appelle|bel|anruf\w*|ruf|"
    r"zadzwo\u0144|soita|mpesa|ph|mob|msisdn|voicemail|office)\b|\u0442\u0435\u043b\w*|\u03c4\u03b7\u03bb\w*|"
    r"\u7535\u8bdd|\u96fb\u8a71|\u624b\u673a\S?|\u62e8\u6253|\u643a\u5e2f|\u8054\u7cfb|\uc804\ud654|\ubc88\ud638|"
    r"\u0647\u0627\u062a\u0641|\u0648\u0627\u062a\u0633\u0627\u0628)"
)
_BESIDE = re.compile(
    rf"{_WORD}[^\d\n]{{0,40}}?(?<![\d.,+\-])(?P<value>\(?\d(?:{_S}?[()]?{_S}?\d){{6,11}})(?!\w|[-.,/:]\d)"
)
_OTHER = re.compile(
    r"(?i)(?:isbn|issn|ean|imei|orders?|bestell\w*|invoice|rechnung\w*|ticket|tracking|serial|part|article|artikel"
    r"|account|acct|konto\w*|sort code|id|ref|sku|version|build|kunden\w*|card|karte\w*|iban|no\. of|zip|port"
    r"|postcode|lottery|pages?|verses?|gate code|member|timestamp|seed|block)\W{0,3}(?:no|nr|number)?\W{0,4}$"
)
_NONE = re.compile(
    r"\d+\.\d+$|0\d{4}-\d{4}$"  # a decimal fraction, a ZIP+4 code
    r"|.*\((?:19|20)\d{2}\)"  # the year of a paper
    r"|.*(?<!\d)(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d{2}|(?:19|20)\d{2}[./-][01]?\d[./-][0-3]?\d)(?!\d)"
)
_COUNTRY = re.compile(
    r"1[2-9]|7|2[07]|3[0-469]|4[013-9]|5[1-8]|6[0-6]|8[1246]|9[0-58]"
    r"|2[1-689]\d|3[578]\d|42[013]|5[09]\d|6[789]\d|8[0578]\d|9(?:6\d|7[0-7]|9[234568])"
)

HINT = r"[0-9](?:[ ().\-/\u00a0\u2010-\u2013]{0,3}[0-9]){6}"


def find_phones(text: str) -> Iterator[tuple[int, int]]:
    """Places (start, end) of telephone numbers in a text."""
    for match in _INTERNATIONAL.finditer(text):
        if international(match["value"]):
            yield match.span("value")
    for match in _ALONE.finditer(text):
        if national(match["value"], minimum=9) and not _OTHER.search(text[: match.start()][-30:]):
            yield match.span("value")
    for match in _BESIDE.finditer(text):
        if national(match["value"], minimum=7) and not _OTHER.search(text[: match.start("value")][-30:]):
            yield match.span("value")


def international(text: str) -> bool:
    """Whether a number with its country code has a code that is in use and a length that E.164 allows."""
    digits = re.sub(r"\D", "", text.replace("%2B", "")).removeprefix("00")
    code = _COUNTRY.match(digits)
    return code is not None and len(digits) - len(code[0]) + (code[0][0] == "1") >= 7 and len(digits) <= 15


def national(text: str, minimum: int) -> bool:
    """Whether a number without a country code has a likely length and is no date, year span or count."""
    digits = re.sub(r"\D", "", text)
    return minimum <= len(digits) <= 12 and not _NONE.match(text) and len(set(digits)) > 2
