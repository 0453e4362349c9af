"""Whether a whole answer has a form: a regular expression, a JSON schema, or one of some labels."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from judge.strict import strict_json
from judge.text import normalise, quote

if TYPE_CHECKING:
    from collections.abc import Iterator


class SchemaFaultError(Exception):
    """A schema that says nothing of an answer: it refers to itself without end, or to what is not there."""


DEEPEST = 30
"""Levels of an answer from which on it is the answer, not the schema, that recursion fails on."""
SAMPLES = ("null", "{}", "[]", '""', "0")
Form = Callable[[str], str]
"""Takes an answer and says what is wrong with its form: empty when it has it."""


def _quiet() -> warnings.catch_warnings[None]:
    """Without Python's warning about a pattern such as `[[a]`, which means what it says."""
    return warnings.catch_warnings(action="ignore", category=FutureWarning)


def matches(pattern: str) -> Form:
    """The answer, but for white space at its ends, matches a regular expression as a whole."""
    with _quiet():
        compiled = re.compile(pattern)
    return lambda output: (
        "" if compiled.fullmatch(output.strip()) else f"{quote(output)} does not match {pattern}"
    )


def fits_schema(schema: Any) -> Form:  # noqa: ANN401  (whatever JSON can say)
    """The answer is JSON and nothing else, and the schema holds for it (2020-12 unless it names another)."""
    import jsonschema
    import referencing

    # An empty registry: a reference in the data must not make this machine fetch an address.
    validator = jsonschema.validators.validator_for(schema)(schema, registry=referencing.Registry())

    def fault(output: str) -> str:
        try:
            value = strict_json(output)
        except (ValueError, RecursionError) as broken:
            return f"the answer is not JSON: {broken}"
        try:
            with _quiet():
                error = next(validator.iter_errors(value), None)
        except ArithmeticError as broken:  # such as a multiple of 0.01 with 400 digits
            return f"a number in the answer cannot be checked: {broken}"
        except (RecursionError, referencing.exceptions.Unresolvable) as broken:
            if isinstance(broken, RecursionError) and _deep(value):
                return "the answer is nested too deep"  # else an answer could choose not to be scored
            raise SchemaFaultError(f"the schema cannot be applied: {type(broken).__name__}") from broken
        return f"at {error.json_path}: {error.message}" if error else ""

    return fault


def _deep(value: object) -> bool:
    """Whether JSON is nested deeper than answers are."""
    level = [value]
    for _ in range(DEEPEST):
        parts = [part.values() if isinstance(part, dict) else part for part in level]
        level = [
            inner
            for part in parts
            if not isinstance(part, str) and isinstance(part, Iterable)
            for inner in part
        ]
    return bool(level)


def one_of(labels: Iterable[str]) -> Form:
    """The answer is one of some labels; case and spacing do not count."""
    allowed = {normalise(label) for label in labels}
    listed = ", ".join(map(quote, sorted(allowed)))
    return lambda output: "" if normalise(output) in allowed else f"{quote(output)} is none of {listed}"


def pattern_fault(pattern: str) -> str:
    """What is wrong with a regular expression; empty when nothing is."""
    try:
        with _quiet():
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as fault:
        return f"not a regular expression: {fault}"
    return ""


def schema_fault(schema: object) -> str:
    """What is wrong with a JSON schema; empty when nothing is."""
    import jsonschema

    try:
        kind = jsonschema.validators.validator_for(schema)
        with _quiet():
            kind.check_schema(schema, format_checker=kind.FORMAT_CHECKER)  # patterns are a format
        dead = [ref for ref in _references(schema) if not _leads_somewhere(ref, schema)]
        for sample in SAMPLES:  # a schema that is only itself is found by applying it
            fits_schema(schema)(sample)
    except jsonschema.SchemaError as fault:
        return f"not a JSON schema: {fault.message}"
    except SchemaFaultError as fault:
        return str(fault)
    except (TypeError, AttributeError, ValueError, RecursionError, OverflowError) as fault:
        return f"not a JSON schema: {fault}"  # such as 5, or a "$schema" that is no text
    return f"the schema refers to {quote(dead[0])}, which it does not hold" if dead else ""


def _references(schema: object) -> Iterator[str]:
    """Every `$ref` anywhere in a schema."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def _leads_somewhere(reference: str, schema: Any) -> bool:  # noqa: ANN401  (whatever JSON can say)
    import referencing.jsonschema

    whole = referencing.jsonschema.DRAFT202012.create_resource(schema)
    registry = referencing.Registry().with_resource(whole.id() or "", whole).crawl()
    try:
        registry.resolver(whole.id() or "").lookup(reference)
    except referencing.exceptions.Unresolvable:
        return "$id" in str(schema)  # a part with an address of its own is a place to start from
    return True
