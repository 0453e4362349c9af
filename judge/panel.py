"""A panel: several judges on one item, by strict majority or weighted mean, with a quorum."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from curation.errors import UserError
from judge.identity import Identity
from judge.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.protocol import Judge
    from judge.verdict import State

Rule = Literal["majority", "mean"]


class Member(NamedTuple):
    """A judge with its vote: `weight` counts in both rules."""

    judge: Judge
    weight: float = 1.0


class Panel:
    """Judges that vote. Who abstains (any state but scored) does not vote.

    Args:
        members: At least one, all different.
        rule: `mean`: the weighted mean of the scores. `majority`: 1 when members with more than half of
            the weight that votes score at least `threshold`, 0 when members with more than half score
            below it; a tie is no score.
        quorum: Share of all weight that must vote (0 to 1): with less, there is no score.
        threshold: Score from which a member counts as in favour.

    Raises:
        UserError: Two members are the same judge.
    """

    def __init__(
        self, members: Sequence[Member], rule: Rule = "majority", quorum: float = 0.5, threshold: float = 0.5
    ) -> None:
        self.members = list(members)
        _demand_different(self.members)
        self._rule, self._quorum, self._threshold = rule, quorum, threshold
        settings: dict[str, Any] = {"rule": rule, "quorum": quorum, "threshold": threshold}
        settings["members"] = [[m.judge.identity.id, m.weight] for m in self.members]
        first = self.members[0].judge.identity
        self.identity = Identity("panel", "", first.rubric, first.version, first.content, "", settings)
        self._id = self.identity.id

    def verdict(self, votes: Sequence[Verdict]) -> Verdict:
        """The panel's verdict on one item from one verdict of each member, in the members' order.

        It costs nothing itself: the members' verdicts carry what they took. `raw` lists the votes.
        """
        weights = [member.weight for member in self.members]
        voting = [(w, v) for w, v in zip(weights, votes, strict=True) if v.score is not None]
        item, raw = votes[0].item_id, json.dumps([[v.judge_id, v.state, v.score] for v in votes])
        told = "; ".join(f"{v.judge_id}: {v.feedback}" for v in votes)
        share = math.fsum(w for w, _ in voting) / math.fsum(weights)
        if not voting or share < self._quorum:
            problem = f"no quorum: {len(voting)} of {len(votes)} voted. {told}"
            return Verdict(item, self._id, 0, _abstention(votes), feedback=problem, raw=raw, cost=0.0)
        score = _mean(voting) if self._rule == "mean" else self._majority(voting)
        if score is None:
            return Verdict(item, self._id, 0, "unparsable", feedback=f"a tie. {told}", raw=raw, cost=0.0)
        return Verdict(item, self._id, 0, "scored", score, feedback=told, raw=raw, cost=0.0)

    def _majority(self, voting: Sequence[tuple[float, Verdict]]) -> float | None:
        total = math.fsum(weight for weight, _ in voting)
        favour = math.fsum(w for w, v in voting if v.score is not None and v.score >= self._threshold)
        if math.isclose(favour * 2, total):  # 0.1 + 0.2 is as much as 0.3
            return None
        return float(favour * 2 > total)


def _demand_different(members: Sequence[Member]) -> None:
    ids = [member.judge.identity.id for member in members]
    for identity in ids:
        if ids.count(identity) > 1:
            fix = "give one of them another model or rubric, or one member more weight"
            problem = f"two members are the same judge, {identity}: it would be asked once and vote twice"
            raise UserError(problem, where="judge.member", fix=fix)


def _mean(voting: Sequence[tuple[float, Verdict]]) -> float:
    total = math.fsum(weight for weight, _ in voting)
    mean = math.fsum(weight / total * (v.score or 0.0) for weight, v in voting)
    return min(1.0, mean)  # rounding may carry a mean of ones past one


def _abstention(votes: Sequence[Verdict]) -> State:
    """Failed where asking again may help, else the first member's reason."""
    states: list[State] = [v.state for v in votes if v.state != "scored"]
    return "failed" if "failed" in states else states[0]
