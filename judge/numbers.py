"""Numbers as people write them: signs, separators, powers of ten, fractions."""

from __future__ import annotations

import re

from judge.text import normalise

_SUPERSCRIPT = re.compile("(?<=[0-9])[⁺⁻]?[⁰¹²³⁴-⁹]+")
_SPACED = re.compile(r"(?<![\w.,'/])\d{1,3}(?: \d{3})+(?![\d/'])")
_PART = r"\s*(?:\{\s*([-+]?\d+)\s*\}|(\d))"
_FRAC = re.compile(rf"(?P<whole>(?<=\d)\s*)?\\[dt]?frac{_PART}{_PART}")
_VULGAR = re.compile("(?<=[0-9])(?=[¼-¾⅐-⅞↉])")
_LETTERS = str.maketrans(
    {"\u2212": "-", "\u2044": "/", "\u066b": ".", "\u066c": ",", "\u2019": "'", "\u2217": "*", "\u22c5": "*"}
    | {"\u00d7": "*", "\u00b7": "*", "\u00a0": "'", "\u202f": "'", "\u2009": "'"}
)
"""One sign for each meaning; a space that does not break separates thousands."""
_DIGITS = r"(?:\d+(?:[-/]\d+){2,}|\d+(?:[.,]\d+|'\d{3}(?!\d))*|[.,]\d+)"
_NUMBER = re.compile(
    rf"(?<![\w.^])(?P<sign>[-+]?)(?P<digits>{_DIGITS})"
    r"(?:(?P<whole> \d+)?/(?P<below>\d+)(?![/\d]))?"
    r"(?:\s?(?:\^|\*\*)\s?[({]?(?P<to>[-+]?\d+))?"
    r"(?:e(?P<e>[-+]?\d+)|\s?[*x]\s?10\s?(?:\^|\*\*)\s?[({]?(?P<power>[-+]?\d+))?",
    re.IGNORECASE,
)


def last_number(text: str) -> float | None:
    r"""The last number in a text, where an answer ends up; None when there is none.

    `1,234.5`, `1.234,5`, `1.234.567`, `1'234` and `1 234` have thousands separators, `3,14` and `1.234` a
    decimal one; `1.5e3`, `1.5*10^3`, `1.5·10³` and `2^10` are powers; `3/4`, `1 3/4`, `¾` and `\frac{3}{4}`
    are fractions. Units, per cent and words such as "million" are not read.
    """
    found = list(_NUMBER.finditer(_plain(text)))
    return _value(found[-1]) if found else None


def _plain(text: str) -> str:
    """The text with one sign for each meaning, before NFKC makes 10³ of 103."""
    text = _SPACED.sub(lambda number: number[0].replace(" ", "'"), text)
    text = _FRAC.sub(_slashed, text)
    text = _SUPERSCRIPT.sub(lambda power: f"^{normalise(power[0])}", text)
    return normalise(_VULGAR.sub(" ", text).translate(_LETTERS)).translate(_LETTERS)


def _slashed(fraction: re.Match[str]) -> str:
    r"""`\frac{1}{2}` as 1/2, behind a whole number as a part of it."""
    above, below = fraction[2] or fraction[3], fraction[4] or fraction[5]
    return f"{'' if fraction['whole'] is None else ' '}{above}/{below}"


def _value(number: re.Match[str]) -> float | None:
    plain = _decimal(number["digits"])
    if plain is None:
        return None
    try:
        value = _size(number, plain)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return -value if number["sign"] == "-" else value


def _size(number: re.Match[str], plain: str) -> float:
    """The number without its sign."""
    exponent, whole = number["e"] or number["power"] or "0", 0
    if number["whole"]:  # 1 3/4: what was taken for the number is the whole part
        whole, plain = int(plain), number["whole"]
    if not number["below"] and not number["to"]:
        return float(f"{plain}e{exponent}")
    value = whole + float(plain) / int(number["below"] or 1)
    return value ** int(number["to"] or 1) * float(f"1e{exponent}")


def _decimal(digits: str) -> str | None:
    """The digits with a point and no separators; None for a date, a version, an address."""
    if digits.isdecimal() or "/" in digits or "-" in digits:
        return digits if digits.isdecimal() else None
    last = max(digits.rfind(mark) for mark in ".,'")
    mark, before, after = digits[last], digits[:last], digits[last + 1 :]
    others = set(before) & set(".,'")
    grouped = mark == "," and not others and len(after) == 3 and before.strip("0")
    if mark == "'" or mark in others or grouped:
        return _joined(digits, mark) if not others - {mark} else None
    if not others:
        return f"{before}.{after}"
    thousands = others.pop()
    whole = _joined(before, thousands) if not others else None
    return whole and f"{whole}.{after}"


def _joined(digits: str, mark: str) -> str | None:
    """Groups of digits as one number."""
    first, *groups = digits.split(mark)
    sizes = [len(group) for group in groups]
    whole = 0 < len(first) <= 3 and sizes[-1] == 3 and set(sizes) <= {2, 3}  # in India 12,34,567
    return digits.replace(mark, "") if whole else None
