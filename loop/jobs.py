"""Training jobs of a workspace: which there are, how they stand, and which one is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from training.jobfiles import snapshot_id
from training.state import read_state

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace

SHOWN = (
    "job",
    "state",
    "epoch",
    "step",
    "total",
    "loss",
    "validation_loss",
    "learning_rate",
    "tokens_per_second",
    "memory_mb",
    "seconds_left",
)
UNFINISHED = ("interrupted", "stopped", "failed", "prepared")


def all_jobs(workspace: Workspace) -> list[Path]:
    """Folders of all jobs, the newest last."""
    found = workspace.jobs.iterdir() if workspace.jobs.is_dir() else []
    folders = [folder for folder in found if (folder / "settings.json").is_file()]
    return sorted(folders, key=lambda folder: (folder / "settings.json").stat().st_mtime_ns)


def standing(job: Path) -> dict[str, Any]:
    """How a job stands: its state file, with its name and snapshot."""
    return {"job": job.name, "snapshot": snapshot_id(job / "manifest.json"), **read_state(job)}


def named_job(workspace: Workspace, beginning: str, states: tuple[str, ...]) -> Path:
    """The newest job in one of some states whose name begins so.

    Raises:
        UserError: There is none.
    """
    fitting = [job for job in all_jobs(workspace) if job.name.startswith(beginning)]
    fitting = [job for job in fitting if read_state(job)["state"] in states]
    if not fitting:
        named = f" that begins with {beginning!r}" if beginning else ""
        problem = f"no job{named} is {' or '.join(states)}"
        raise UserError(problem, where=str(workspace.jobs), fix="run `regrind train status`")
    return fitting[-1]
