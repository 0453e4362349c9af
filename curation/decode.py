"""One line to one JSON object: every fault with its reason and JSON path, none passed over."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SPACED_KEY = re.compile(rb'"[ \t\r\n]+:')
_ANY = msgspec.json.Decoder()
AT_ONCE = 1000
"""Lines that are counted at once: as many as the processor's cache holds take half the time."""


class Fault(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why a line is no row: the reason, and the JSON path of the place."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(reason)
        self.reason, self.path = reason, path


def decode(line: bytes, count: int = -1) -> dict[str, Any]:
    """Decode a line that must hold one object.

    Args:
        line: The JSON text.
        count: Its number of keys by `separators`, which saves a slower look.

    Raises:
        Fault: It holds something else, or an object that cannot be kept as it is: a key twice, half a
            character, a number that no float holds.
    """
    try:
        record = _ANY.decode(line)
        if keys(record) != count:
            record = strictly(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        record = strictly(line)
    if not isinstance(record, dict):
        raise Fault(f"a JSON {_kind(record)}, where an object is needed")
    return record


def separators(lines: Sequence[bytes]) -> NDArray[np.int64]:
    """How many keys each JSON text has, at least; -1 where that cannot be told without reading it.

    A quote without a backslash before it begins or ends a string. So `":` is a key's end, or a string
    that begins with a colon: the count is never too small. Where it equals the number of keys that a
    decoder kept, no key stood twice.

    Args:
        lines: One text each.

    Returns:
        (lines,) counts.
    """
    parts = [_separators(lines[start : start + AT_ONCE]) for start in range(0, len(lines), AT_ONCE)]
    return np.concatenate([np.empty(0, np.int64), *parts])


def _separators(lines: Sequence[bytes]) -> NDArray[np.int64]:
    text = np.frombuffer(b"\n".join([b"  ", *lines]), dtype=np.uint8)
    ends = np.cumsum(np.fromiter(map(len, lines), np.int64, len(lines)) + 1) + 2
    colon = np.flatnonzero(text == ord(":"))
    before = text[colon - 1]
    quoted = before == ord('"')
    escaped = quoted & (text[colon - 2] == ord("\\"))
    counts = np.diff(np.searchsorted(colon[quoted & ~escaped], ends), prepend=0)
    # A key, or a text, that ends with a backslash: the quote behind it may be a real one.
    counts[np.searchsorted(ends, colon[escaped & (text[colon - 3] == ord("\\"))])] = -1
    # A colon behind a space is common in text; a key's has a quote before the space, or another space.
    behind = colon[before <= ord(" ")]
    behind = behind[(text[behind - 2] == ord('"')) | (text[behind - 2] <= ord(" "))]
    for spaced in np.unique(np.searchsorted(ends, behind)):
        if _SPACED_KEY.search(lines[spaced]):
            counts[spaced] = -1
    return counts


def keys(value: object) -> int:
    """Number of keys in a decoded value, at all depths."""
    if isinstance(value, dict):
        return len(value) + sum(keys(v) for v in value.values() if isinstance(v, (dict, list)))
    if isinstance(value, list):
        return sum(keys(v) for v in value if isinstance(v, (dict, list)))
    return 0


def strictly(line: bytes) -> Any:  # noqa: ANN401  (whatever JSON can say)
    """Decode any JSON text.

    Raises:
        Fault: It is no JSON, or it holds what cannot be kept as it is.
    """
    try:
        text = line.decode("utf8")
        record = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
        if "\\u" in text:
            json.dumps(record, ensure_ascii=False).encode("utf8")
    except UnicodeDecodeError as fault:
        raise Fault(f"not UTF-8 at byte {fault.start + 1}") from None
    except UnicodeEncodeError:
        raise Fault("half a character (a lone surrogate escape)") from None
    except json.JSONDecodeError as fault:
        said = fault.msg.lower().removesuffix(" at")
        raise Fault(f"not JSON: {said} at column {fault.colno}") from None
    except RecursionError:
        raise Fault("nested too deeply") from None
    except ValueError:  # the interpreter's guard against numbers of thousands of digits
        raise Fault("a number with too many digits") from None
    return record


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Fault(f"the key {twice!r} stands twice in one object", path=_printable(f"$..{twice}"))
    return record


def _printable(path: str) -> str:
    """A path in which half a character is written as its escape, since no table can hold it."""
    return path.encode("utf8", "backslashreplace").decode()


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise Fault(f"the number {text} is too large")
    return number


def _no_constant(name: str) -> None:
    raise Fault(f"{name} is not JSON")


def _kind(value: object) -> str:
    return {list: "array", str: "string", type(None): "null", bool: "boolean"}.get(type(value), "number")
