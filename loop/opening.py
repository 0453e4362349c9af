"""Which cycle runs: a new one, the interrupted one, one that is done anew from a step on, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from loop.inputs import changes, inputs_key, inputs_of
from loop.models import demand_adopted_base
from loop.steps.collect import waiting
from loop.steps.gate import demand_budget

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loop.ledger import Cycle, Ledger
    from loop.workspace import Workspace

ANEW = ("curate", "judge", "correct", "merge", "train", "evaluate", "gate")
"""Steps that a cycle can be done anew from; what production said is not said again."""
DECIDED = ("evaluate", "gate")


class Asked(NamedTuple):
    """What the command asks for.

    Attributes:
        again: Begin a cycle even when nothing has changed since the last one.
        restart: Abandon an interrupted cycle and begin anew.
        resume: Go on with an interrupted cycle, and begin none.
        from_step: Do the last cycle anew from this step on.
    """

    again: bool = False
    restart: bool = False
    resume: bool = False
    from_step: str = ""


def open_cycle(
    workspace: Workspace, ledger: Ledger, asked: Asked, steps: Mapping[str, Iterable[str]]
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
    key = inputs_key(inputs)
    demand_adopted_base(workspace)
    cycle, again, restart = ledger.last(), asked.again, asked.restart
    if asked.from_step:
        return _anew(ledger, cycle, asked.from_step, steps, key, inputs)
    running = cycle is not None and cycle.state == "running"
    if asked.resume and not running:
        fix = "`regrind cycle run` begins the next one"
        raise UserError("no cycle was interrupted", where=str(workspace.root), fix=fix)
    if running and cycle and cycle.key != key and not ledger.outputs(cycle):
        restart = True  # its first step asked for this very change, and nothing is lost
    if running and cycle and restart:
        ledger.close(cycle, "abandoned")
        cycle, again = ledger.last(), True
    if cycle is None:
        return ledger.begin("seed", key, inputs)
    if cycle.state == "running":
        _demand_same(workspace, ledger, cycle, inputs)
        return cycle
    if cycle.kind == "seed" or cycle.key != key or again or waiting(workspace):
        demand_budget(workspace)
        return ledger.begin("feedback", key, inputs)
    return cycle


def _demand_same(workspace: Workspace, ledger: Ledger, cycle: Cycle, inputs: dict[str, Any]) -> None:
    if cycle.key == inputs_key(inputs):
        return
    told = "; ".join(changes(ledger.inputs(cycle), inputs)[:5])
    problem = f"settings or inputs changed since cycle {cycle.id} began" + (f": {told}" if told else "")
    fix = "undo the change and run again, or start the cycle anew with `regrind cycle run --restart`"
    raise UserError(problem, where=str(workspace.root), fix=fix)


def _anew(
    ledger: Ledger,
    cycle: Cycle | None,
    name: str,
    steps: Mapping[str, Iterable[str]],
    key: str,
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
    return ledger.reopen(cycle, names.index(name) + 1, key, inputs)
