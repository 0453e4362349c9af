"""How a job stands: one small file that another process reads while the job runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from training.jobfiles import STATE, STOP, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUNNING = ("queued", "running")


class JobState:
    """The file state.json of a job directory, rewritten whole at every change.

    Args:
        jobdir: The job directory.
        writes: False in all but the first process of a job.
    """

    def __init__(self, jobdir: Path, *, writes: bool) -> None:
        self._path = jobdir / STATE
        self._writes = writes
        self._start: tuple[int, int, float] | None = None
        self.fields: dict[str, Any] = {"pid": os.getpid(), "host": platform.node(), "step": 0, "total": 0}

    def tell(self, state: str, **fields: Any) -> None:  # noqa: ANN401 - whatever JSON can say
        """Write the state, with the fields that changed."""
        self.fields |= {"state": state, "updated": time.time()} | fields
        if self._writes:
            write_json(self._path, self.fields)

    def step(self, event: dict[str, Any]) -> None:
        """Write what one step measured, with speed, memory and the seconds that are left.

        Args:
            event: What `training.job.run` tells of a step; its "tokens" are all of this process so far.
        """
        now = time.monotonic()
        if self._start is None:
            # The first step warms everything up: it is no measure of the others.
            self._start = (event["step"], event["tokens"], now)
        step, tokens, began = self._start
        speed: dict[str, Any] = {"memory_mb": memory_mb()} | gpu()
        if event["step"] > step:
            speed["tokens_per_second"] = round((event["tokens"] - tokens) / (now - began), 1)
            a_step = (now - began) / (event["step"] - step)
            speed["seconds_left"] = round((event["total"] - event["step"]) * a_step, 1)
        self.tell("running", **event, **speed)


def read_state(jobdir: Path) -> dict[str, Any]:
    """Return how a job stands; "interrupted" where its process is gone without a word.

    Raises:
        UserError: there is no job, or it was never started.
    """
    if not (jobdir / "settings.json").is_file():
        fix = "name a folder that `regrind train run --print` has written"
        raise UserError("there is no job here", where=str(jobdir / "settings.json"), fix=fix)
    if not (jobdir / STATE).is_file():
        return {"state": "prepared", "step": 0, "total": 0}
    try:
        state = read_json(jobdir / STATE)
    except UserError:  # torn: it is not synced
        state = {}
    if not all(isinstance(state.get(name), str) for name in ("state", "host")):
        return {"state": "interrupted", "step": 0, "total": 0}
    if state["state"] in RUNNING and state["host"] == platform.node() and not _runs(jobdir, state.get("pid")):
        state["state"] = "interrupted"
    return state


def ask_to_stop(jobdir: Path) -> None:
    """Ask a running job to write a checkpoint after its current step and to end.

    Raises:
        UserError: the job is not running.
    """
    state = read_state(jobdir)["state"]
    if state not in RUNNING:
        raise UserError(f"the job is {state}, not running", where=str(jobdir), fix="there is nothing to stop")
    (jobdir / STOP).touch()


@contextlib.contextmanager
def claimed(jobdir: Path) -> Iterator[None]:
    """Hold a job for this process while the context lasts: of two that begin at once, one is refused.

    Raises:
        UserError: another process runs it, or there is none.
    """
    state = read_state(jobdir)
    if state["state"] in RUNNING:
        problem = f"process {state.get('pid')} on {state['host']} runs this job already"
        fix = f"wait for it, or stop it; remove {jobdir / STATE} if it does not run any more"
        raise UserError(problem, where=str(jobdir), fix=fix)
    held = os.open(jobdir, os.O_RDONLY)
    try:
        if not _free(held):
            problem = "another process runs this job already"
            raise UserError(problem, where=str(jobdir), fix="wait for it, or stop it")
        yield
    finally:
        os.close(held)


def _free(held: int) -> bool:
    """Take a job's lock; whoever only asks how the job stands holds it for a moment."""
    for _ in range(5):
        if _locked(held, fcntl.LOCK_EX) is not False:
            return True
        time.sleep(0.02)
    return False


def _locked(held: int, kind: int) -> bool | None:
    """Lock a job's folder without waiting; False where another process holds it, None where nobody can."""
    try:
        fcntl.flock(held, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the state file alone guards
        return None
    return True


def _runs(jobdir: Path, pid: object) -> bool:
    """Whether a process of this machine runs a job: its number may be another program's by now."""
    held = os.open(jobdir, os.O_RDONLY)
    try:
        locked = _locked(held, fcntl.LOCK_SH)
    finally:
        os.close(held)
    return not locked if locked is not None else _alive(pid)


def memory_mb() -> float:
    """Return the peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def gpu() -> dict[str, float]:
    """Return peak memory in MB and load in percent of the GPU in use; nothing where there is none."""
    import torch

    if not torch.cuda.is_available():
        return {}
    found = {"gpu_memory_mb": round(torch.cuda.max_memory_allocated() / 2**20, 1)}
    with contextlib.suppress(ModuleNotFoundError, RuntimeError):  # needs NVIDIA's own library
        found["gpu_load_percent"] = float(torch.cuda.utilization())
    return found


def _alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _zombie(pid)


def _zombie(pid: int) -> bool:
    """A killed process whose parent has not looked yet is still listed."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return False
