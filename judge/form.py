"""Whether a whole answer has a form: a regular expression, a JSON schema, or one of some labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from judge.strict import strict_json
from judge.text import normalise, quote

if TYPE_CHECKING:
    from collections.abc import Iterable

Form = Callable[[str], str]
"""Takes an answer and says what is wrong with its form: empty when it has it."""


def matches(pattern: str) -> Form:
    """The answer, but for white space at its ends, matches a regular expression as a whole."""
    compiled = re.compile(pattern)
    return lambda output: (
        "" if compiled.fullmatch(output.strip()) else f"{quote(output)} does not match {pattern}"
    )


def fits_schema(schema: Any) -> Form:  # noqa: ANN401  (whatever JSON can say)
    """The answer is JSON and nothing else, and the schema holds for it (2020-12 unless it names another)."""
    import jsonschema

    validator = jsonschema.validators.validator_for(schema)(schema)

    def fault(output: str) -> str:
        try:
            error = next(validator.iter_errors(strict_json(output)), None)
        except (ValueError, RecursionError) as broken:
            return f"the answer is not JSON: {broken}"
        return f"at {error.json_path}: {error.message}" if error else ""

    return fault


def one_of(labels: Iterable[str]) -> Form:
    """The answer is one of some labels; case and spacing do not count."""
    allowed = {normalise(label) for label in labels}
    listed = ", ".join(map(quote, sorted(allowed)))
    return lambda output: "" if normalise(output) in allowed else f"{quote(output)} is none of {listed}"


def pattern_fault(pattern: str) -> str:
    """What is wrong with a regular expression; empty when nothing is."""
    try:
        re.compile(pattern)
    except re.error as fault:
        return f"not a regular expression: {fault}"
    return ""


def schema_fault(schema: object) -> str:
    """What is wrong with a JSON schema; empty when nothing is."""
    import jsonschema

    try:
        jsonschema.validators.validator_for(schema).check_schema(schema)
    except jsonschema.SchemaError as fault:
        return f"not a JSON schema: {fault.message}"
    return ""
