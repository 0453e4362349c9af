"""The cycle: steps in their order, each done once, resumed after any crash."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from curation.errors import UserError
from curation.rows import short_hash
from judge.settings import ServiceSettings
from loop.judging import configured_judge
from loop.ledger import ENDS, Cycle, Ledger, Outcome
from loop.lock import only_one
from loop.models import demand_adopted_base
from loop.steps import adopt, collect, correct, curate, evaluate, gate, judge, merge, train
from loop.steps.gate import demand_budget
from loop.store import publish, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable

    from loop.progress import Progress
    from loop.workspace import Workspace

    Step = Callable[["Context"], Outcome]

CODE = 1
"""Raised when a step's meaning changes, so that an open cycle of the old code is not continued by the new."""

SEED: dict[str, Step] = {
    "adopt": adopt.run,
    "curate": curate.run,
    "train": train.run,
    "evaluate": evaluate.run,
    "gate": gate.run,
}
"""The first cycle: from labelled rows to a model that is better than its base."""

FEEDBACK: dict[str, Step] = {
    "collect": collect.run,
    "judge": judge.run,
    "correct": correct.run,
    "merge": merge.run,
    "train": train.run,
    "evaluate": evaluate.run,
    "gate": gate.run,
}
"""Every later cycle: from what production said to a model that says it better."""


@dataclass(frozen=True)
class Context:
    """What a step may look at.

    Attributes:
        workspace: Paths and configuration.
        cycle: The cycle's number.
        done: Outputs of the steps before, by name.
        progress: Where progress is told.
    """

    workspace: Workspace
    cycle: int
    done: dict[str, dict[str, Any]]
    progress: Progress


@dataclass(frozen=True)
class Ran:
    """What `run_cycle` did: the cycle, and how many steps it ran now; 0 when nothing was left to do."""

    cycle: Cycle
    steps: int


def run_cycle(workspace: Workspace, progress: Progress, *, again: bool = False, restart: bool = False) -> Ran:
    """Run the next cycle, or go on with the one that was interrupted.

    Args:
        workspace: Where.
        progress: Where progress is told.
        again: Begin a cycle even when nothing has changed since the last one.
        restart: Abandon an interrupted cycle and begin anew.

    Raises:
        UserError: The settings or inputs changed since the interrupted cycle's first step was done,
            or a step found something that the user can fix.
    """
    with only_one(workspace.lock):
        workspace.tidy()
        configured_judge(workspace)  # a wrong rubric or a missing key is told before hours of work
        ledger = Ledger(workspace.store, workspace.config.model)
        cycle = _next(workspace, ledger, again=again, restart=restart)
        if cycle.state == "finished":
            publish(workspace.store, workspace.view)  # a crash may have come just before it
            return Ran(cycle, 0)
        return _run(workspace, ledger, cycle, progress)


def _next(workspace: Workspace, ledger: Ledger, *, again: bool, restart: bool) -> Cycle:
    """The cycle to run or to go on with; a finished one where nothing is left to do."""
    key = inputs_key(workspace)
    demand_adopted_base(workspace)
    cycle = ledger.last()
    if cycle and cycle.state == "running" and cycle.key != key and not ledger.outputs(cycle):
        restart = True  # its first step asked for this very change, and nothing is lost
    if cycle and cycle.state == "running" and restart:
        ledger.close(cycle, "abandoned")
        cycle, again = ledger.last(), True
    if cycle is None:
        return ledger.begin("seed", key)
    if cycle.state == "running" and cycle.key != key:
        fix = "undo the change and run again, or start the cycle anew with `regrind cycle run --restart`"
        raise UserError(
            f"settings or inputs changed since cycle {cycle.id} began", where=str(workspace.root), fix=fix
        )
    if cycle.state == "finished" and (cycle.kind == "seed" or cycle.key != key or again):
        demand_budget(workspace)
        return ledger.begin("feedback", key)
    return cycle


def _run(workspace: Workspace, ledger: Ledger, cycle: Cycle, progress: Progress) -> Ran:
    steps = SEED if cycle.kind == "seed" else FEEDBACK
    done = ledger.outputs(cycle)
    ran = 0
    for position, name in enumerate(steps, start=1):
        if name in done:
            continue
        if any(outputs.get(ENDS) for outputs in done.values()):
            break
        progress.begin(f"cycle {cycle.id}, step {position} of {len(steps)}: {name}")
        started = utc_now()
        outcome = steps[name](Context(workspace, cycle.id, done, progress))
        ledger.complete(cycle, position, name, outcome, started)
        gc.collect()  # a trained or loaded model hangs in reference cycles, and the next step loads another
        done[name] = outcome.outputs
        ran += 1
        progress.end(outcome.summary)
        publish(workspace.store, workspace.view)
    ledger.close(cycle, "finished")
    publish(workspace.store, workspace.view)
    return Ran(cycle, ran)


def inputs_key(workspace: Workspace) -> str:
    """What makes a run the same cycle: settings, input files by content, and the steps' code version.

    How a service is asked and what it charges may change while a cycle is open.
    """
    config = workspace.config
    judge = msgspec.structs.replace(config.judge, service=ServiceSettings())
    same = msgspec.structs.replace(config, judge=judge, price=())
    return short_hash([CODE, msgspec.to_builtins(same), workspace.inputs()])
