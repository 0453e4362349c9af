"""Which cycle runs: a new one, the interrupted one, one that is done anew from a step on, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from loop.arrivals import drain
from loop.deletion import forget_old
from loop.inputs import changes, inputs_key, inputs_of
from loop.models import demand_adopted_base
from loop.steps.collect import waiting
from loop.steps.gate import demand_budget

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from loop.ledger import Cycle, Ledger
    from loop.workspace import Workspace

ANEW = ("curate", "judge", "correct", "merge", "train", "evaluate", "gate")
"""Steps that a cycle can be done anew from; what production said is not said again."""
DECIDED = ("evaluate", "gate")
WAIT = 3600.0
"""A forgotten SQL prompt may hold the store for the time of a lunch; waiting costs nothing."""


class Asked(NamedTuple):
    """What the command asks for.

    Attributes:
        again: Begin a cycle even when nothing has changed since the last one.
        restart: Abandon an interrupted cycle and begin anew.
        resume: Go on with an interrupted cycle, and begin none.
        from_step: Do the last cycle anew from this step on.
        only: Run this step alone; a cycle is begun by its first step only.
        wait: Seconds to wait each time that another process holds the store.
    """

    again: bool = False
    restart: bool = False
    resume: bool = False
    from_step: str = ""
    only: str = ""
    wait: float = WAIT


def open_cycle(
    workspace: Workspace, ledger: Ledger, asked: Asked, steps: Mapping[str, Collection[str]]
) -> Cycle:
    """The cycle to run or to go on with; a finished one where nothing is left to do.

    Args:
        workspace: Where.
        ledger: Its ledger.
        asked: What the command asks for.
        steps: Names of the steps in their order, by the kind of the cycle.

    Raises:
        UserError: Settings or inputs changed since the interrupted cycle's first step was done, the gate's
            budget is spent, or what was asked for cannot be had.
    """
    inputs = inputs_of(workspace)
    demand_adopted_base(workspace)
    cycle = ledger.last()
    if asked.only:
        _demand_step(asked.only, steps)
    if asked.from_step:
        return _anew(workspace, ledger, cycle, asked.from_step, steps, inputs)
    if cycle is None or cycle.state != "running":
        if asked.resume or asked.restart:
            fix = "`regrind cycle run` begins the next one"
            raise UserError("no cycle was interrupted", where=str(workspace.root), fix=fix)
        return _next(workspace, ledger, cycle, asked, steps, inputs)
    # A change that the first step asked for loses nothing.
    if asked.restart or (cycle.key != inputs_key(inputs) and not ledger.outputs(cycle)):
        return _restart(workspace, ledger, cycle, asked, steps, inputs)
    demand_same(workspace, ledger, cycle, inputs)
    return cycle


def _next(
    workspace: Workspace,
    ledger: Ledger,
    cycle: Cycle | None,
    asked: Asked,
    steps: Mapping[str, Collection[str]],
    inputs: dict[str, Any],
) -> Cycle:
    """Begin the next cycle where there is a reason."""
    drain(workspace.store, workspace.arrivals)
    forget_old(workspace)
    key = inputs_key(inputs)
    kind = "feedback" if cycle else "seed"
    first = next(iter(steps[kind]))
    if asked.only not in {"", first}:
        if cycle:
            return cycle
        raise UserError(f"no cycle has begun: {first} comes first", where="step", fix=f"run {first} first")
    if cycle is None:
        return ledger.begin(kind, key, inputs)
    if cycle.kind == "seed" or cycle.key != key or asked.again or waiting(workspace):
        demand_budget(workspace)
        return ledger.begin(kind, key, inputs)
    return cycle


def _restart(
    workspace: Workspace,
    ledger: Ledger,
    cycle: Cycle,
    asked: Asked,
    steps: Mapping[str, Collection[str]],
    inputs: dict[str, Any],
) -> Cycle:
    """Abandon a cycle and begin another; one that was finished once is not thrown away."""
    if cycle.redone:
        problem = f"cycle {cycle.id} was finished, and is being done anew: abandoned, its rows would be lost"
        fix = "go on with `regrind cycle resume`, or once more with `regrind cycle run --from STEP`"
        raise UserError(problem, where="--restart", fix=fix)
    ledger.close(cycle, "abandoned")
    return _next(workspace, ledger, ledger.last(), asked._replace(again=True), steps, inputs)


def demand_same(workspace: Workspace, ledger: Ledger, cycle: Cycle, inputs: dict[str, Any]) -> None:
    """Refuse to go on with a cycle that was begun with something else.

    Raises:
        UserError: Each difference is named, as far as the ledger knows it.
    """
    if cycle.key == inputs_key(inputs):
        return
    told = "; ".join(changes(ledger.inputs(cycle), inputs))
    problem = f"settings or inputs changed since cycle {cycle.id} began" + (f": {told}" if told else "")
    again = "--from STEP" if cycle.redone else "--restart"
    fix = f"undo the change and run again, or begin anew with `regrind cycle run {again}`"
    raise UserError(problem, where=str(workspace.root), fix=fix)


def _demand_step(name: str, steps: Mapping[str, Collection[str]]) -> None:
    known = list(dict.fromkeys(step for names in steps.values() for step in names))
    if name not in known:
        raise UserError(f"there is no step {name!r}", where="step", fix=f"name one of {', '.join(known)}")


def _anew(
    workspace: Workspace,
    ledger: Ledger,
    cycle: Cycle | None,
    name: str,
    steps: Mapping[str, Collection[str]],
    inputs: dict[str, Any],
) -> Cycle:
    """Reopen the last cycle at a step; what the steps before it made is taken as it is."""
    names = list(steps[cycle.kind]) if cycle else []
    if cycle is None or name not in names or name not in ANEW:
        could = ", ".join(n for n in names if n in ANEW) or "none: no cycle has begun"
        raise UserError(
            f"no cycle can be done anew from {name!r}", where="--from", fix=f"name one of {could}"
        )
    done = ledger.outputs(cycle)
    missing = [n for n in names[: names.index(name)] if n not in done]
    if missing:
        fix = "run `regrind cycle resume`, which does it"
        raise UserError(f"cycle {cycle.id} has not done {missing[0]} yet", where="--from", fix=fix)
    if name in DECIDED and done.get("gate", {}).get("promoted"):
        problem = (
            f"cycle {cycle.id} has promoted v{done['gate']['candidate']}, and would compare it with itself"
        )
        fix = "do it anew from train or an earlier step, or run the next cycle"
        raise UserError(problem, where="--from", fix=fix)
    demand_budget(workspace)
    return ledger.reopen(cycle, names.index(name) + 1, inputs_key(inputs), inputs)
