"""JSON arrays in place of lines: their items as bytes, also of an array in which some are broken."""

from __future__ import annotations

import contextlib
import json
import re
from typing import NamedTuple

import msgspec

from curation.shapes import recognise

_BETWEEN = re.compile(r"[ \t\r\n,]*")
_BEGINNING = re.compile(r"[,\n\]}]\s*\{")


class Items(NamedTuple):
    """What an array holds: each item's own bytes, and what is wrong with the array, or None."""

    items: list[bytes]
    fault: str | None = None


def items_of(data: bytes) -> Items | None:
    """The items of a JSON array, good and bad; None where the data are no array."""
    try:
        items = msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return _broken_array(data)
    return Items([bytes(item) for item in items])


def _broken_array(data: bytes) -> Items | None:
    """The items of an array in which some are broken; what stands between two good ones is an item, too."""
    text, decoder = data.decode("utf8", "surrogateescape"), json.JSONDecoder()
    place, items, shapes = _behind(text, text.index("[") + 1), list[bytes](), set[str]()
    while place < len(text):
        if text[place] == "]" and (not shapes or not text[place + 1 :].strip()):
            break
        try:
            item, end = decoder.raw_decode(text, place)
            shapes |= {shape for shape in [_shape(item)] if shape}
        except (ValueError, RecursionError):
            end = _next_item(text, place, decoder, shapes)
        items.append(text[place:end].rstrip(" \t\r\n,").encode("utf8", "surrogateescape"))
        place = _behind(text, end)
    if not shapes or text[place + 1 :].strip():
        return None  # lines, of which the first begins with a bracket
    return Items(items, _fault_between(items) if text[place:] else "the array is broken here")


def _fault_between(items: list[bytes]) -> str | None:
    """What is wrong with an array that has an end, where nothing is wrong with its items."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        msgspec.json.decode(b"[" + b",".join(items) + b"]")
        return "between the items of the array a comma is missing, or there is one too many"
    return None


def _next_item(text: str, place: int, decoder: json.JSONDecoder, shapes: set[str]) -> int:
    """Where the next object begins that has the shape of the good ones; the end of the text if none does."""
    for match in _BEGINNING.finditer(text, place + 1):
        with contextlib.suppress(ValueError, RecursionError):
            shape = _shape(decoder.raw_decode(text, match.end() - 1)[0])
            if shape and (not shapes or shape in shapes):
                return match.end() - 1
    return len(text)


def _shape(item: object) -> str | None:
    return recognise(item) if isinstance(item, dict) else None


def _behind(text: str, place: int) -> int:
    between = _BETWEEN.match(text, place)
    return between.end() if between else place
