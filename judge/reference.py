"""The reference judge: compares an answer with its reference by fixed rules, asking no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge.protocol import Forecast
from judge.rubric import rubric_hash
from judge.text import contains_words, first_line, labels, normalise
from judge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from judge.rubric import Check, Rubric
    from judge.verdict import Item


class ReferenceJudge:
    """Scores 1 or 0 per criterion by the criterion's `check`; the score is their weighted mean.

    It is exact and free, and as blind as its rule: `contains` finds "Paris" in "not Paris" too.
    An item without a reference has no verdict to give: state failed.

    Args:
        rubric: Names the check and the weight of each criterion.
    """

    concurrency = 1

    def __init__(self, rubric: Rubric) -> None:
        self.rubric = rubric
        self.id = f"reference/{rubric.name}-v{rubric.version}/{rubric_hash(rubric)[:8]}"

    def judge(self, item: Item) -> Verdict:
        """Compare one answer with its reference."""
        if item.reference is None or not normalise(item.reference):
            return Verdict(
                item.id, self.id, 0, "failed", feedback="the item has no reference to compare with"
            )
        differences = {c.name: _CHECKS[c.check](item.output, item.reference) for c in self.rubric.criteria}
        criteria = {name: float(not difference) for name, difference in differences.items()}
        feedback = "; ".join(filter(None, differences.values())) or "agrees with the reference"
        score = self.rubric.weighted(criteria)
        return Verdict(item.id, self.id, 0, "scored", score, criteria, feedback, cost=0.0)

    def forecast(self, item: Item) -> Forecast:  # noqa: ARG002  every item takes the same: nothing
        """No tokens and no cost."""
        return Forecast(0, 0.0)


def _exact(output: str, reference: str) -> str:
    if normalise(output) == normalise(reference):
        return ""
    return f"the answer is {_quote(normalise(output))}, the reference says {_quote(normalise(reference))}"


def _first_line(output: str, reference: str) -> str:
    said, expected = first_line(output), first_line(reference)
    return "" if said == expected else f"first line is {_quote(said)}, the reference says {_quote(expected)}"


def _label_set(output: str, reference: str) -> str:
    said, expected = labels(output), labels(reference)
    if said == expected:
        return ""
    missing = f"misses {_listed(expected - said)}" if expected - said else ""
    extra = f"has {_listed(said - expected)}, which the reference has not" if said - expected else ""
    return "label set " + " and ".join(filter(None, (missing, extra)))


def _contains(output: str, reference: str) -> str:
    if contains_words(output, reference):
        return ""
    return f"{_quote(normalise(reference))} does not stand in the answer {_quote(normalise(output))}"


def _listed(names: frozenset[str]) -> str:
    return ", ".join(map(_quote, sorted(names)))


def _quote(text: str) -> str:
    return f"'{text}'" if len(text) <= 80 else f"'{text[:79]}…'"


_CHECKS: dict[Check, Callable[[str, str], str]] = {
    "exact": _exact,
    "first_line": _first_line,
    "label_set": _label_set,
    "contains": _contains,
}
"""Each rule takes (output, reference) and says in words what differs: nothing when the answer holds."""
