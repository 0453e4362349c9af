"""The reference judge's rules: each gives an answer a score and says in words what differs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from judge.grades import strict_json
from judge.negation import affirms
from judge.rubric import pattern_fault, schema_fault
from judge.similarity import token_f1
from judge.text import first_line, labels, normalise, places

if TYPE_CHECKING:
    from judge.rubric import Check, Criterion

VERSION = 2
"""Raised when a rule's meaning changes: scores of two versions do not compare."""

Finding = tuple[float, str]
"""Score (0 to 1), and what differs: empty when nothing does."""
Rule = Callable[["Criterion", str, str], Finding]
"""Takes the criterion, the answer, and the reference (empty where there is none)."""

_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d+(?:[.,]\d+)*|[.,]\d+)(?:e[-+]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")


class NoReferenceError(Exception):
    """There is nothing to compare an answer with."""


def _exact(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = normalise(output), normalise(_given(reference))
    return _all_or_nothing(
        said == expected, f"the answer is {_quote(said)}, the reference says {_quote(expected)}"
    )


def _first_line(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = first_line(output), first_line(_given(reference))
    return _all_or_nothing(
        said == expected, f"first line is {_quote(said)}, the reference says {_quote(expected)}"
    )


def _label_set(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = labels(output), labels(_given(reference))
    missing = f"misses {_listed(expected - said)}" if expected - said else ""
    extra = f"has {_listed(said - expected)}, which the reference has not" if said - expected else ""
    return _all_or_nothing(said == expected, "label set " + " and ".join(filter(None, (missing, extra))))


def _contains(_: Criterion, output: str, reference: str) -> Finding:
    phrase = _quote(normalise(_given(reference)))
    if affirms(output, reference):
        return 1.0, ""
    if any(places(output, reference)):
        return 0.0, f"{phrase} stands in the answer only where it is denied: {_quote(normalise(output))}"
    return 0.0, f"{phrase} does not stand in the answer {_quote(normalise(output))}"


def _one_of(criterion: Criterion, output: str, _: str) -> Finding:
    said, allowed = normalise(output), {normalise(label) for label in criterion.labels}
    return _all_or_nothing(said in allowed, f"{_quote(said)} is none of {_listed(frozenset(allowed))}")


def _regex(criterion: Criterion, output: str, reference: str) -> Finding:
    pattern = criterion.pattern or _given(reference)
    if fault := pattern_fault(pattern):
        raise NoReferenceError(f"the reference is {fault}")
    return _all_or_nothing(
        re.fullmatch(pattern, output.strip()) is not None, f"{_quote(output)} does not match {pattern}"
    )


def _json_schema(criterion: Criterion, output: str, reference: str) -> Finding:
    import jsonschema

    schema = criterion.schema or _schema(reference)
    try:
        value = strict_json(output)
    except (ValueError, RecursionError) as fault:
        return 0.0, f"the answer is not JSON: {fault}"
    validator = jsonschema.validators.validator_for(schema)(schema)
    error = next(validator.iter_errors(value), None)
    return _all_or_nothing(error is None, f"at {error.json_path}: {error.message}" if error else "")


def _schema(reference: str) -> object:
    try:
        schema = json.loads(_given(reference))
    except ValueError as fault:
        raise NoReferenceError(f"the reference is no JSON schema: {fault}") from fault
    if problem := schema_fault(schema):
        raise NoReferenceError(f"the reference is {problem}")
    return schema


def _similarity(_: Criterion, output: str, reference: str) -> Finding:
    score = token_f1(output, _given(reference))
    return score, "" if score == 1 else f"words shared with the reference: F1 {score:.2f}"


def _numeric(criterion: Criterion, output: str, reference: str) -> Finding:
    expected = last_number(_given(reference))
    if expected is None:
        raise NoReferenceError(f"the reference {_quote(reference)} holds no number")
    said = last_number(output)
    if said is None:
        return 0.0, f"no number in the answer {_quote(output)}"
    allowed = max(criterion.tolerance, criterion.relative * abs(expected))
    # as Python writes them: 0.1 + 0.2 is within 0.1 of 0.2
    near = abs(said - expected) <= allowed + 1e-12 * max(abs(said), abs(expected))
    return _all_or_nothing(near, f"the number is {said:g}, the reference says {expected:g}")


def last_number(text: str) -> float | None:
    """The last number in a text, where an answer ends up; None when there is none.

    `1,234.5` has thousands separators, `3,14` a decimal comma.
    """
    found = _NUMBER.findall(normalise(text))
    if not found:
        return None
    number = found[-1].replace("\u2212", "-")
    digits = number.lstrip("+-")
    plain = number.replace(",", "") if _THOUSANDS.fullmatch(digits) else number.replace(",", ".")
    try:
        return float(plain)
    except ValueError:  # several points or commas: a date or a version, not a number
        return None


def _given(reference: str) -> str:
    if not normalise(reference):
        raise NoReferenceError("the item has no reference to compare with")
    return reference


def _all_or_nothing(holds: bool, difference: str) -> Finding:
    return (1.0, "") if holds else (0.0, difference)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(map(_quote, sorted(names)))


def _quote(text: str) -> str:
    return f"'{text}'" if len(text) <= 80 else f"'{text[:79]}…'"


RULES: dict[Check, Rule] = {
    "exact": _exact,
    "first_line": _first_line,
    "label_set": _label_set,
    "contains": _contains,
    "one_of": _one_of,
    "regex": _regex,
    "json_schema": _json_schema,
    "similarity": _similarity,
    "numeric": _numeric,
}
