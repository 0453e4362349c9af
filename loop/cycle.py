"""The cycle: steps in their order, each done once, resumed after any crash."""

from __future__ import annotations

import gc
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.rows import short_hash
from loop.judging import configured_judge
from loop.ledger import ENDS, Cycle, Ledger, Outcome
from loop.lock import only_one
from loop.opening import Asked, open_cycle
from loop.steps import adopt, collect, correct, curate, evaluate, gate, generate, judge, merge, train
from loop.store import StoreHeldError, patient, publish, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loop.progress import Progress
    from loop.workspace import Workspace

    Step = Callable[["Context"], Outcome]

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
    "generate": generate.run,
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
        kept: Folder for rows that an interrupted run of this step leaves to the next one.
    """

    workspace: Workspace
    cycle: int
    done: dict[str, dict[str, Any]]
    progress: Progress
    kept: Path


@dataclass(frozen=True)
class Ran:
    """What `run_cycle` did.

    Attributes:
        cycle: The cycle as it is now.
        steps: How many steps it ran now; 0 when nothing was left to do.
        held: Whether its gate was asked for now, and holds the candidate.
    """

    cycle: Cycle
    steps: int
    held: bool = False


STEPS = {"seed": SEED, "feedback": FEEDBACK}
NEXT = Asked()


def run_cycle(workspace: Workspace, progress: Progress, asked: Asked = NEXT) -> Ran:
    """Run the next cycle, or go on with the one that was interrupted.

    While another process holds the store, a step works on what its copy says, and waits to be committed.

    Args:
        workspace: Where.
        progress: Where progress is told.
        asked: Which cycle to run, and whether one step of it alone.

    Raises:
        UserError: The settings or inputs changed since the interrupted cycle's first step was done, a
            step found something that the user can fix, it is not the turn of the only step, or the store
            was held all the time that `asked` says.
    """
    with only_one(workspace.lock), patient(asked.wait, progress.say):
        try:
            return _opened(workspace, progress, asked)
        except StoreHeldError as fault:
            fix = "close that program, run `regrind cycle run`: it goes on there, what was computed is kept"
            raise StoreHeldError(fault.problem, where=fault.where, fix=fix) from fault


def _opened(workspace: Workspace, progress: Progress, asked: Asked) -> Ran:
    workspace.tidy()
    configured_judge(workspace)  # a wrong rubric or a missing key is told before hours of work
    ledger = Ledger(workspace.store, workspace.view, workspace.config.model)
    cycle = open_cycle(workspace, ledger, asked, STEPS)
    if cycle.state == "finished":
        publish(workspace.store, workspace.view)  # a crash may have come just before it
        return Ran(cycle, 0, _holds(ledger.outputs(cycle), asked.only))
    return _run(workspace, ledger, cycle, progress, asked.only)


def _run(workspace: Workspace, ledger: Ledger, cycle: Cycle, progress: Progress, only: str) -> Ran:
    steps, done = STEPS[cycle.kind], ledger.outputs(cycle)
    asked = _turn(cycle, only, _left(steps, done), done) if only else list(steps)
    ran: list[str] = []
    while (left := _left(steps, done)) and left[0] in asked:
        done[left[0]] = _one(workspace, ledger, cycle, progress, left[0], done)
        ran.append(left[0])
    if not left:
        shutil.rmtree(workspace.step_rows, ignore_errors=True)  # what a kill after a commit left
        ledger.close(cycle, "finished")
        cycle = replace(cycle, state="finished")
        publish(workspace.store, workspace.view)
    return Ran(cycle, len(ran), _holds(done, only or "".join(ran[-1:])))


def _holds(done: dict[str, dict[str, Any]], last: str) -> bool:
    """Whether the gate was the last step that was asked for, and holds the candidate."""
    return last == "gate" and not done.get("gate", {}).get("promoted", True)


def _one(
    workspace: Workspace,
    ledger: Ledger,
    cycle: Cycle,
    progress: Progress,
    name: str,
    done: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Run a step and commit it; returns its outputs."""
    steps = STEPS[cycle.kind]
    position = list(steps).index(name) + 1
    progress.begin(f"cycle {cycle.id}, step {position} of {len(steps)}: {name}")
    started = utc_now()
    folder = workspace.step_rows / short_hash([cycle.id, cycle.key, name, done])
    outcome = steps[name](Context(workspace, cycle.id, done, progress, folder))
    ledger.complete(cycle, position, name, outcome, started)
    shutil.rmtree(workspace.step_rows, ignore_errors=True)
    gc.collect()  # a trained or loaded model hangs in reference cycles, and the next step loads another
    progress.end(outcome.summary)
    publish(workspace.store, workspace.view)
    return outcome.outputs


def _left(steps: dict[str, Step], done: dict[str, dict[str, Any]]) -> list[str]:
    """The steps that are still to do, in their order; none where one of those done ends the cycle."""
    ended = any(outputs.get(ENDS) for outputs in done.values())
    return [] if ended else [name for name in steps if name not in done]


def _turn(cycle: Cycle, only: str, left: list[str], done: dict[str, dict[str, Any]]) -> list[str]:
    """The one step that was asked for, where it is its turn; none where it is done."""
    if only not in STEPS[cycle.kind]:
        fix = f"its steps are {', '.join(STEPS[cycle.kind])}"
        raise UserError(f"cycle {cycle.id} is a {cycle.kind} cycle without {only!r}", where="step", fix=fix)
    if only in done or not left:
        return []
    if only != left[0]:
        problem = f"it is not the turn of {only!r}: cycle {cycle.id} does {left[0]} next"
        raise UserError(problem, where="step", fix=f"run `regrind cycle step {left[0]}` first")
    return [only]
