"""Runs a panel: every member over the same items, within a budget only those that it can pay all for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge.ran import Ran, known
from judge.verdict import content_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from judge.budget import Budget
    from judge.panel import Panel
    from judge.protocol import Cache, Judge
    from judge.verdict import Item, State, Verdict

    Ask = Callable[[Judge, list[Item]], Ran]


def judge_by_panel(
    panel: Panel,
    items: list[Item],
    ask: Ask,
    cache: Cache,
    budget: Budget,
    *,
    repeat: int = 0,
    again: Collection[State] = (),
) -> Ran:
    """Judge items by each member, and let the panel decide.

    Within a budget that goes in rounds: each has the next items that all members together can be asked
    about, at what they take at most.

    Args:
        panel: Who judges.
        items: What to judge.
        ask: Runs one member over some items.
        cache: What it knows need not be paid for.
        budget: What all may take.
        repeat: Number of the asking.
        again: States in which a verdict of the cache is asked for anew.

    Raises:
        UserError: From a member, or there is a budget and one of them does not say what it takes.
    """
    rounds: list[Ran] = []
    left = items
    while left:
        chosen = _affordable(left, panel, cache, budget, repeat, again) if budget.limited else left
        if not chosen:
            break
        rounds.append(_combined(panel, chosen, [ask(m.judge, chosen) for m in panel.members], repeat))
        taken = {item.id for item in chosen}
        left = [item for item in left if item.id not in taken]
    return _joined(items, rounds)


def _affordable(
    items: Sequence[Item], panel: Panel, cache: Cache, budget: Budget, repeat: int, again: Collection[State]
) -> list[Item]:
    """The first items, those of the same content together, that fit into what is left for all members."""
    alike: dict[str, list[Item]] = {}
    for item in items:
        alike.setdefault(content_key(item, "", 0), []).append(item)
    cost, tokens, chosen = 0.0, 0, []
    for same in alike.values():
        for judge in (member.judge for member in panel.members):
            if not known(cache, content_key(same[0], judge.identity.id, repeat), again):
                most = budget.most(judge.forecast(same[0]))
                cost, tokens = cost + most[0], tokens + most[1]
        if not budget.has(cost, tokens):
            break
        chosen += same
    return chosen


def _combined(panel: Panel, items: Sequence[Item], runs: Sequence[Ran], repeat: int) -> Ran:
    """The panel's verdict on each item that every member was asked about."""
    undone = {item.id for run in runs for item in run.undone}
    judged = [item for item in items if item.id not in undone]
    votes = [[v for v in run.verdicts if v.item_id not in undone] for run in runs]
    verdicts = [panel.verdict(list(said)) for said in zip(*votes, strict=True)] if judged else []
    left = [item for item in items if item.id in undone]
    keys = [content_key(item, panel.identity.id, repeat) for item in judged]
    return _summed(runs, verdicts, keys, left)


def _joined(items: Sequence[Item], rounds: Sequence[Ran]) -> Ran:
    """The rounds as one run, in the order of the items."""
    found = {v.item_id: (v, key) for ran in rounds for v, key in zip(ran.verdicts, ran.keys, strict=True)}
    judged = [found[item.id] for item in items if item.id in found]
    left = [item for item in items if item.id not in found]
    return _summed(rounds, [verdict for verdict, _ in judged], [key for _, key in judged], left)


def _summed(runs: Sequence[Ran], verdicts: list[Verdict], keys: list[str], left: list[Item]) -> Ran:
    asked, tokens = sum(run.asked for run in runs), sum(run.tokens for run in runs)
    cost, cost_known = sum(run.cost for run in runs), all(run.cost_known for run in runs)
    return Ran(verdicts, keys, left, asked, cost, tokens, cost_known)
