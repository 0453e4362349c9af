"""Fields of an object that are taken one by one, so that what nobody took can be listed."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loop.imports.event import Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable

BASIC_DATE = re.compile(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""A date without dashes; as seconds it would be a day of 1970."""
UNITS = ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))
"""Up to which number since 1970 it is how many a second."""
DIGITS = 9
"""No list has more items than numbers of fewer digits."""


def _as_it_is(value: Any) -> Any:  # noqa: ANN401
    return value


class Fields:
    """An object's fields by their path, `usage.input_tokens` for one inside another.

    Args:
        record: The object.
        flat: Whether its keys have dots of their own, as attributes of spans do.
    """

    def __init__(self, record: dict[str, Any], *, flat: bool = False) -> None:
        self.record, self._flat = record, flat
        self._taken: set[str] = set()

    def take(self, *paths: str, reads: Callable[[Any], Any] = _as_it_is) -> Any:  # noqa: ANN401  (any JSON)
        """The first of some fields that can be read; it counts as taken, and so do those that say the same.

        Args:
            paths: The fields' paths.
            reads: Gives what a value says, or None where it says nothing of the kind.
        """
        found = {path: said for path in paths if (said := reads(self._at(path))) is not None}
        first = next(iter(found.values()), None)
        self._taken.update(path for path, said in found.items() if said == first)
        return first

    def text(self, *paths: str) -> str | None:
        """As `take`, of text; a number too, nothing else."""
        found: str | None = self.take(*paths, reads=as_text)
        return found

    def number(self, *paths: str) -> float | None:
        """As `take`, of finite numbers."""
        found: float | None = self.take(*paths, reads=as_number)
        return found

    def count(self, *paths: str) -> int | None:
        """As `take`, of whole numbers that are not negative."""
        found: int | None = self.take(*paths, reads=as_count)
        return found

    def time(self, *paths: str) -> datetime | None:
        """The time, in UTC without a zone, of the first of some fields that is set.

        Raises:
            Unreadable: What stands there is no time.
        """
        for path in paths:
            if (found := as_time(self._at(path))) is not None:
                self._taken.add(path)
                return found
        return None

    def rest(self) -> list[str]:
        """Paths of the fields that have a value and that nobody took."""
        return sorted(self._rest(self.record, ""))

    def _at(self, path: str) -> Any:  # noqa: ANN401
        if path in self.record or self._flat:
            return self.record.get(path)
        value: Any = self.record
        for key in path.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def _rest(self, record: dict[str, Any], before: str) -> list[str]:
        found: list[str] = []
        for key, value in record.items():
            path = f"{before}{key}"
            if path in self._taken or value in (None, "", [], {}):
                continue
            inside = not self._flat and any(taken.startswith(f"{path}.") for taken in self._taken)
            if inside and isinstance(value, dict):
                found += self._rest(value, f"{path}.")
            else:
                found.append(path)
        return found


def as_text(value: object) -> str | None:
    """Text from text or a number; None from anything else."""
    return str(value) if isinstance(value, str | int | float) and value != "" else None


def as_count(value: object) -> int | None:
    """A whole number that fits a column; None from anything else."""
    number = as_number(value)
    return int(number) if number is not None and 0 <= number < 2**31 else None


def as_number(value: object) -> float | None:
    """A finite number from a number or its text; None from anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_time(value: object) -> datetime | None:
    """A time in UTC without a zone; None where none is set: nothing, an empty text, 0, or the year 1.

    Args:
        value: ISO 8601, or seconds, milliseconds, microseconds or nanoseconds since 1970.

    Raises:
        Unreadable: It is none of these.
    """
    if value is None or value == "" or (number := as_number(value)) == 0:
        return None
    try:
        if number is not None and not BASIC_DATE.fullmatch(str(value)):
            unit = next(u for limit, u in UNITS if abs(number) < limit)
            return datetime.fromtimestamp(number / unit, UTC).replace(tzinfo=None)
        moment = datetime.fromisoformat(str(value))
        if moment.year == 1:
            return None
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError, OSError) as fault:
        raise Unreadable(f"{str(value)[:100]!r} is no time") from fault


def decoded(value: Any) -> Any:  # noqa: ANN401  (whatever JSON can say)
    """What a text of JSON holds; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def numbered(given: dict[str, Any], head: str) -> list[dict[str, Any]]:
    """What stands below `head.0`, `head.1` and so on, each as an object of its own."""
    found: dict[int, dict[str, Any]] = {}
    for path, value in given.items():
        if path.startswith(f"{head}."):
            number, _, rest = path.removeprefix(f"{head}.").partition(".")
            if number.isdecimal() and len(number) < DIGITS:
                found.setdefault(int(number), {})[rest] = value
    return [found[number] for number in sorted(found)]


def as_object(value: object) -> dict[str, Any]:
    """The object that a value is, or that its text holds; an empty one otherwise."""
    value = decoded(value)
    return value if isinstance(value, dict) else {}


def as_texts(value: object) -> list[str]:
    """A list of texts, from a list or one text."""
    value = decoded(value)
    return (
        [str(v) for v in value if v is not None] if isinstance(value, list) else [str(value)] if value else []
    )
