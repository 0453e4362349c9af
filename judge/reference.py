"""The reference judge: compares an answer with its reference by fixed rules, asking no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from judge.identity import Identity
from judge.limit import TooLongError, at_most
from judge.protocol import Forecast
from judge.rules import RULES, VERSION, NoReferenceError
from judge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judge.protocol import Arrivals
    from judge.rubric import Rubric
    from judge.verdict import Item

AT_ONCE = 1000
LIMIT_S = 10.0
"""Seconds that the rules may take for one item."""


class ReferenceJudge:
    """Scores each criterion by its `check`; the score is their weighted mean.

    It is exact and free, and as blind as its rules (`judge/rules.py`). Where there is nothing to compare
    with, there is no number: state failed.

    Args:
        rubric: Names the check and the weight of each criterion.
    """

    def __init__(self, rubric: Rubric) -> None:
        self.rubric = rubric
        content = msgspec.to_builtins(rubric)
        self.identity = Identity(
            "reference", "", rubric.name, rubric.version, content, settings={"rules": VERSION}
        )
        self._id = self.identity.id

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`."""
        arrived: list[Verdict] = []
        for item in items:
            arrived.append(self.judge(item))
            if len(arrived) == AT_ONCE:
                yield arrived
                arrived = []
        yield arrived

    def forecast(self, item: Item) -> Forecast:  # noqa: ARG002  every item takes the same: nothing
        """No tokens and no cost."""
        return Forecast()

    def judge(self, item: Item) -> Verdict:
        """Compare one answer with its reference."""
        try:
            with at_most(LIMIT_S):
                found = {
                    c.name: RULES[c.check](c, item.output, item.reference or "") for c in self.rubric.criteria
                }
        except TooLongError:
            problem = f"the rules took more than {LIMIT_S:g} s: simplify the pattern"
            return Verdict(item.id, self._id, 0, "failed", feedback=problem)
        except NoReferenceError as fault:
            return Verdict(item.id, self._id, 0, "failed", feedback=str(fault))
        except Exception as fault:  # noqa: BLE001  (an answer can be anything: the other items go on)
            problem = f"the rules cannot judge this answer: {type(fault).__name__}: {fault}"
            return Verdict(item.id, self._id, 0, "failed", feedback=problem)
        criteria = {name: score for name, (score, _) in found.items()}
        feedback = "; ".join(difference for _, difference in found.values() if difference)
        score = self.rubric.weighted(criteria)
        agrees = feedback or "agrees with the reference"
        return Verdict(item.id, self._id, 0, "scored", score, criteria, agrees, cost=0.0)
