"""Numbers of a text with their signs and units, each in one form however it is written."""

from __future__ import annotations

import re

NAMES = {
    "%": "percent pct",
    "$": "dollar usd",
    "€": "euro eur",
    "£": "gbp",
    "¥": "yen jpy",
    "µg": "ug mcg microgram",
    "mg": "milligram",
    "g": "gram",
    "kg": "kilo kilogram",
    "t": "ton tonne",
    "lb": "pound",
    "oz": "ounce",
    "ml": "milliliter millilitre",
    "cl": "centiliter centilitre",
    "l": "liter litre",
    "mm": "millimeter millimetre",
    "cm": "centimeter centimetre",
    "m": "meter metre",
    "km": "kilometer kilometre",
    "ft": "foot feet",
    "inch": "inches",
    "mi": "mile",
    "ms": "millisecond",
    "s": "sec second",
    "min": "minute",
    "h": "hr hour",
    "day": "",
    "week": "wk",
    "month": "",
    "year": "yr",
    "kb": "kilobyte",
    "mb": "megabyte",
    "gb": "gigabyte",
    "tb": "terabyte",
    "w": "watt",
    "kw": "kilowatt",
    "kwh": "",
    "v": "volt",
    "hz": "hertz",
    "khz": "",
    "mhz": "",
    "ghz": "",
    "°c": "celsius",
    "°f": "fahrenheit",
    "am": "a.m.",
    "pm": "p.m.",
    "k": "",
}
"""Units, each by the names that it goes by; a name may have an s behind it."""

WORDS = dict(
    zip(
        [
            "zero",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "twenty",
            "thirty",
            "forty",
            "fifty",
            "sixty",
            "seventy",
            "eighty",
            "ninety",
            "hundred",
            "thousand",
            "million",
            "billion",
        ],
        (0, *range(2, 13), *range(20, 100, 10), 100, 1000, 10**6, 10**9),
        strict=True,
    )
)
"""Without `one`, which is a pronoun as often as a number."""


def _forms() -> dict[str, str]:
    names = {name: unit for unit, others in NAMES.items() for name in (unit, *others.split())}
    return names | {f"{name}s": unit for name, unit in names.items() if len(name) > 2}


UNITS = _forms()
ORDERED = "|".join(map(re.escape, sorted(UNITS, key=len, reverse=True)))
QUANTITY = re.compile(
    rf"(?P<lead>(?:(?<![\w)\].])[-\u2212])?(?:[$€£¥][-\u2212]?)?)"
    rf"(?:(?P<digits>(?:\d+(?:[.,:]\d+)*|(?<![\w.])\.\d+)(?:e[-+]?\d+(?!\w))?(?:\^-?\d+)?)"
    rf"|\b(?P<word>{'|'.join(WORDS)})\b)"
    rf"(?:(?:\s+|-)?(?P<unit>{ORDERED})(?!\w))?",
    re.IGNORECASE,
)
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")


def quantities(text: str) -> list[str]:
    """The numbers of a text in their order, such as `-0.5 mg`.

    `1,000` is `1000`, `.5` is `0.5`, `three` is `3`, and `5 grams` is `5 g`. Only the units of `NAMES` are
    known; a number of several words (`twenty five`) counts as several.
    """
    return [_form(found) for found in QUANTITY.finditer(text)]


def carries_a_number(word: str) -> bool:
    """Whether a word of letters is a number or a unit by name."""
    return word.casefold() in WORDS or (len(word) > 2 and word.casefold() in UNITS)


def _form(found: re.Match[str]) -> str:
    lead, digits, word, unit = found.groups()
    number = str(WORDS[word.casefold()]) if word else digits.casefold()
    if THOUSANDS.fullmatch(number):
        number = number.replace(",", "")
    number = ("0" if number.startswith(".") else "") + number
    money = lead.strip("-\u2212")
    measure = money or (UNITS[unit.casefold()] if unit else "")
    return f"{'-' if lead != money else ''}{number} {measure}".rstrip()
