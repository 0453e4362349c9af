"""What became of the rows of one group: rank and reason of each kept one, why each other went, and a note."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curation.selection.groups import Group
    from curation.selection.limits import Limits
    from curation.selection.select import Selection, Worth
    from curation.selection.settings import Method

REASONS = {"kcenter": "farthest", "facility": "covers most", "random": "random"}
FLOOR, BUDGET, GAIN = "below the density floor", "over the token budget", "its gain is under min_gain"
COVERED, UNDRAWN = "covered by others", "not drawn"
UNWANTED, UNNAMED = "no row of its group was wanted", "no quota names its tags"


class Outcome(NamedTuple):
    """What became of a group's rows.

    Attributes:
        kept: By row number what the row's field `selected` says.
        dropped: For each of the group's rows why it went (rows,), objects; empty where it was kept.
        note: What the group tells; empty where nothing was asked of it.
    """

    kept: dict[int, dict[str, Any]]
    dropped: NDArray[np.object_]
    note: dict[str, Any]

    @property
    def tokens(self) -> int:
        """Of the kept rows."""
        return int(self.note.get("tokens", 0))

    def fits(self, cost: NDArray[np.int64], left: int) -> bool:
        """Whether one of the rows that only the token budget kept out costs no more than what is left.

        Args:
            cost: Tokens of the group's rows (rows,).
            left: Tokens.
        """
        ended = self.note["picked"] < self.note["wanted"]
        return ended and bool((cost[self.dropped == BUDGET] <= left).any())


def none(group: Group) -> Outcome:
    """Nothing was wanted of this group, or it has no rows."""
    why = np.full(len(group.rows), UNWANTED if group.named else UNNAMED, object)
    if group.rows or not group.wanted:
        return Outcome({}, why, {})
    return Outcome({}, why, _note(group, 0, 0, "no rows: each belongs to a quota before it"))


def everything(group: Group, limits: Limits) -> Outcome:
    """Nothing stood in the way."""
    kept = {
        row: {"rank": rank, "reason": "all fit", "gain": None} for rank, row in enumerate(group.rows, start=1)
    }
    note = _note(group, len(kept), int(limits.cost.sum()), "all rows fit") | _compared(None, [])
    return Outcome(kept, np.full(len(kept), "", object), note)


def some(group: Group, done: Selection, limits: Limits, method: Method, *, prior: bool) -> Outcome:
    """Some rows were picked; `prior` says whether others counted as picked before."""
    first = "densest" if method == "kcenter" and not prior else REASONS[method]
    reasons = [first, *[REASONS[method]] * len(done.picks)]
    kept = {
        group.rows[pick]: {"rank": rank, "reason": reason, "gain": round(gain, 6)}
        for rank, (pick, reason, gain) in enumerate(
            zip(done.picks, reasons, done.gains.tolist(), strict=False), 1
        )
    }
    dropped = _why_dropped(done, limits, method)
    drawn = {"random_picked": [len(c) for c in done.chance]}
    drawn["random_tokens"] = [int(limits.cost[c].sum()) for c in done.chance]
    tokens = int(limits.cost[done.picks].sum())
    note = _note(group, len(kept), tokens, _why_stopped(done, limits, dropped))
    note |= _compared(done.worth, [] if method == "random" else done.random_worth)
    note |= {name: round(fmean(each)) for name, each in drawn.items()}
    if len(done.gains):
        note["last_gain"] = round(float(done.gains[-1]), 6)
    return Outcome(kept, dropped, note)


def _why_dropped(done: Selection, limits: Limits, method: Method) -> NDArray[np.object_]:
    others = UNDRAWN if method == "random" else COVERED
    dropped = np.full(len(limits.cost), others if len(done.picks) == limits.most else GAIN, object)
    spent = 0 if len(done.picks) == limits.most else limits.cost[done.picks].sum()
    dropped[limits.cost > limits.budget - spent] = BUDGET
    dropped[done.below_floor] = FLOOR
    dropped[done.picks] = ""
    return dropped


def _why_stopped(done: Selection, limits: Limits, dropped: NDArray[np.object_]) -> str:
    if len(done.picks) == limits.most:
        return "all picked"
    left = set(np.delete(dropped, done.picks)) - {FLOOR}
    if not left:
        return "no more rows above the density floor"
    return "token budget spent" if left == {BUDGET} else "the next gain is under min_gain"


def _note(group: Group, picked: int, tokens: int, stopped: str) -> dict[str, Any]:
    overlap = {"overlap": group.overlap} if group.overlap else {}
    note = {"rows": len(group.rows), "wanted": group.wanted, "picked": picked, "tokens": tokens}
    return note | {"stopped": stopped} | overlap


def _compared(ours: Worth | None, draws: Sequence[Worth]) -> dict[str, Any]:
    """Both measures beside the means of random picks; None for a tie within their spread."""
    note: dict[str, Any] = {}
    for i, name in enumerate(("coverage", "facility")):
        value = None if ours is None else round(ours[i], 4)
        chance = [round(draw[i], 4) for draw in draws]
        mean = round(fmean(chance), 4) if chance else None
        beats = None
        if value is not None and chance and not min(chance) <= value <= max(chance):
            beats = value > max(chance)
        note |= {name: value, f"random_{name}": mean, f"{name}_beats_random": beats}
    return note
