"""One look of the schedule: taken by one process, recorded with what came of it."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import UserError
from loop.cycle import run_cycle
from loop.deletion import forget_old
from loop.lock import BusyError, only_one
from loop.opening import WAIT
from loop.reasons import reasons
from loop.store import patient, publish, transaction, utc_now
from loop.telling import tell_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from loop.config import Schedule
    from loop.progress import Progress
    from loop.workspace import Workspace


class Tick(NamedTuple):
    """What came of one look.

    Attributes:
        due: When it was due, in UTC, without a zone.
        outcome: `taken` by another process, `quiet` (nothing asked for a cycle), `busy` (another process
            works here), `unchanged` (a cycle had nothing to do), `finished` or `failed`.
        detail: Why a cycle ran, or what failed.
        cycle: The cycle, where one ran.
    """

    due: datetime
    outcome: str
    detail: str
    cycle: int | None = None


def tick(workspace: Workspace, how: Schedule, due: datetime, looks: float, progress: Progress) -> Tick:
    """Take a look and run a cycle where one is asked for; whatever goes wrong is an outcome.

    Several processes may be scheduled for the same moment: the row in `ticks` is the lease, and who does
    not get it does nothing. A lease that a killed process left does no harm: the next look goes on with
    its cycle.

    Args:
        workspace: Where; its configuration is read afresh.
        how: Who is told of a failure, even of one of the configuration.
        due: When this look was due, in UTC, without a zone.
        looks: How many are due around this one; the test for drift divides by it.
        progress: Where the cycle's progress is told.
    """
    with patient(WAIT, progress.say):
        done = _guarded(lambda: _taken(workspace, due, looks, progress), due)
    if done.outcome != "taken":
        unkept = _guarded(lambda: _record(workspace, done), due)
        if unkept.outcome == "failed":
            progress.say(f"  this look is not recorded: {unkept.detail}")
    if done.outcome == "failed":
        failure = done._asdict() | {"workspace": str(workspace.root.resolve())}
        for fault in tell_failure(how, workspace.root, failure):
            progress.say(f"  the failure could not be told: {fault}")
    return done


def _guarded(work: Callable[[], Tick], due: datetime) -> Tick:
    """What a piece of work gives; where it raises, a failure that says why."""
    try:
        return work()
    except BusyError as error:
        return Tick(due, "busy", error.problem)
    except UserError as error:
        return Tick(due, "failed", f"{error.where}: {error.problem}; {error.fix}")
    except Exception as error:  # noqa: BLE001  (whatever it is, the schedule goes on and says so)
        return Tick(due, "failed", f"{type(error).__name__}: {error}")


def _taken(workspace: Workspace, due: datetime, looks: float, progress: Progress) -> Tick:
    if not _take(workspace, due):
        return Tick(due, "taken", "another process has this look")
    with only_one(workspace.lock):
        forget_old(workspace)
    found = reasons(workspace, looks)
    if not found:
        return Tick(due, "quiet", "no reason to run")
    ran = run_cycle(workspace, progress)
    return Tick(due, "finished" if ran.steps else "unchanged", "; ".join(found), ran.cycle.id)


def _take(workspace: Workspace, due: datetime) -> bool:
    with transaction(workspace.store) as connection:
        sql = "INSERT INTO ticks (model, due, process, started) VALUES (?, ?, ?, ?)"
        sql += " ON CONFLICT DO NOTHING RETURNING due"
        process = f"{socket.gethostname()}:{os.getpid()}"
        row = connection.execute(sql, [workspace.config.model, due, process, utc_now()]).fetchone()
    return row is not None


def _record(workspace: Workspace, done: Tick) -> Tick:
    with transaction(workspace.store) as connection:
        sql = "UPDATE ticks SET finished = ?, outcome = ?, detail = ?, cycle = ? WHERE model = ? AND due = ?"
        values = [utc_now(), done.outcome, done.detail, done.cycle, workspace.config.model, done.due]
        connection.execute(sql, values)
    publish(workspace.store, workspace.view)
    return done
