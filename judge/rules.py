"""The reference judge's rules: each gives an answer a score and says in words what differs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from judge.form import SchemaFaultError, fits_schema, matches, one_of, pattern_fault, schema_fault
from judge.negation import affirms
from judge.numbers import last_number
from judge.similarity import token_f1
from judge.strict import strict_json
from judge.text import first_line, labels, normalise, places, quote

if TYPE_CHECKING:
    from judge.rubric import Check, Criterion

VERSION = 4
"""Raised when a rule's meaning changes: scores of two versions do not compare."""

Finding = tuple[float, str]
"""Score (0 to 1), and what differs: empty when nothing does."""
Rule = Callable[["Criterion", str, str], Finding]
"""Takes the criterion, the answer, and the reference (empty where there is none)."""


class NoReferenceError(Exception):
    """There is nothing to compare an answer with."""


def _exact(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = normalise(output), normalise(_given(reference))
    return _all_or_nothing(
        said == expected, f"the answer is {quote(said)}, the reference says {quote(expected)}"
    )


def _first_line(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = first_line(output), first_line(_given(reference))
    return _all_or_nothing(
        said == expected, f"first line is {quote(said)}, the reference says {quote(expected)}"
    )


def _label_set(_: Criterion, output: str, reference: str) -> Finding:
    said, expected = labels(output), labels(_given(reference))
    missing = f"misses {_listed(expected - said)}" if expected - said else ""
    extra = f"has {_listed(said - expected)}, which the reference has not" if said - expected else ""
    return _all_or_nothing(said == expected, "label set " + " and ".join(filter(None, (missing, extra))))


def _contains(_: Criterion, output: str, reference: str) -> Finding:
    phrase = quote(normalise(_given(reference)))
    if affirms(output, reference):
        return 1.0, ""
    if any(places(output, reference)):
        return 0.0, f"{phrase} stands in the answer only where it is denied: {quote(normalise(output))}"
    return 0.0, f"{phrase} does not stand in the answer {quote(normalise(output))}"


def _one_of(criterion: Criterion, output: str, _: str) -> Finding:
    return _formed(one_of(criterion.labels)(output))


def _regex(criterion: Criterion, output: str, reference: str) -> Finding:
    pattern = criterion.pattern or _given(reference)
    if fault := pattern_fault(pattern):
        raise NoReferenceError(f"the reference is {fault}")
    return _formed(matches(pattern)(output))


def _json_schema(criterion: Criterion, output: str, reference: str) -> Finding:
    try:
        return _formed(fits_schema(criterion.schema or _schema(reference))(output))
    except SchemaFaultError as fault:
        raise NoReferenceError(str(fault)) from fault


def _schema(reference: str) -> object:
    try:
        schema = strict_json(_given(reference))
    except (ValueError, RecursionError) as fault:
        raise NoReferenceError(f"the reference is no JSON schema: {fault}") from fault
    if problem := schema_fault(schema):
        raise NoReferenceError(f"the reference is {problem}")
    return schema


def _formed(fault: str) -> Finding:
    return _all_or_nothing(not fault, fault)


def _similarity(_: Criterion, output: str, reference: str) -> Finding:
    score = token_f1(output, _given(reference))
    return score, "" if score == 1 else f"words shared with the reference: F1 {score:.2f}"


def _numeric(criterion: Criterion, output: str, reference: str) -> Finding:
    expected = last_number(_given(reference))
    if expected is None:
        raise NoReferenceError(f"the reference {quote(reference)} holds no number")
    if not math.isfinite(expected):
        raise NoReferenceError(f"the reference {quote(reference)} is too large a number")
    said = last_number(output)
    if said is None or not math.isfinite(said):
        return 0.0, f"no number in the answer {quote(output)}"
    allowed = max(criterion.tolerance, criterion.relative * abs(expected))
    # as Python writes them: 0.1 + 0.2 is within 0.1 of 0.2
    near = abs(said - expected) <= allowed + 1e-12 * max(abs(said), abs(expected))
    return _all_or_nothing(near, f"the number is {said:g}, the reference says {expected:g}")


def _given(reference: str) -> str:
    if not normalise(reference):
        raise NoReferenceError("the item has no reference to compare with")
    return reference


def _all_or_nothing(holds: bool, difference: str) -> Finding:
    return (1.0, "") if holds else (0.0, difference)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(map(quote, sorted(names)))


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
