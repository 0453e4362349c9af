"""JSON that says one thing: a key that stands twice, NaN, infinity and 1e400 are faults."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(text: str | bytes) -> Any:  # noqa: ANN401  (whatever JSON can say)
    """Decode JSON.

    Raises:
        ValueError: It is not JSON, or says something twice or a number that is none.
        RecursionError: It is nested too deep.
    """
    return json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError(f"{digits[:40]} is too large a number")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number")
