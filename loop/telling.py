"""Tells somebody that a scheduled cycle failed: a command line, a webhook."""

from __future__ import annotations

import os
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loop.config import Schedule

    Call = Callable[[Schedule, Path, dict[str, Any]], None]

WITHIN = 30.0
"""Seconds that a webhook or a command may take."""


def tell_failure(how: Schedule, root: Path, failure: dict[str, Any]) -> list[str]:
    """Start the command and call the webhook.

    Args:
        how: Which, if any.
        root: The workspace's folder, where the command is started.
        failure: What to tell, JSON values; the command finds its `detail` in REGRIND_PROBLEM.

    Returns:
        What went wrong with that itself: it is said, and stops nothing.
    """
    calls = {"on_failure": how.on_failure and _command, "webhook": how.webhook and _post}
    faults: list[str] = []
    for name, call in calls.items():
        if call:
            # On a thread, because a server that sends a byte now and then is never late for a single read.
            said: list[str] = ["no end within 30 seconds"]
            thread = threading.Thread(target=_try, args=(call, how, root, failure, said), daemon=True)
            thread.start()
            thread.join(WITHIN)
            faults += [f"{name}: {fault}" for fault in said]
    return faults


def _try(call: Call, how: Schedule, root: Path, failure: dict[str, Any], said: list[str]) -> None:
    """Make a call; `said` is left with what went wrong, if anything."""
    try:
        call(how, root, failure)
        said.clear()
    except Exception as fault:  # noqa: BLE001  (whatever it is, it is said, and the schedule goes on)
        said[:] = [f"{type(fault).__name__}: {fault}"]


def _command(how: Schedule, root: Path, failure: dict[str, Any]) -> None:
    detail = str(failure["detail"]).replace("\0", " ")
    told = os.environ | {"REGRIND_PROBLEM": detail, "REGRIND_WORKSPACE": str(root)}
    # The user's own command line, as in a crontab.
    subprocess.run(how.on_failure, shell=True, env=told, cwd=root, timeout=WITHIN, check=True)  # noqa: S602


def _post(how: Schedule, root: Path, failure: dict[str, Any]) -> None:  # noqa: ARG001  (as the command)
    body, kind = msgspec.json.encode(failure), {"content-type": "application/json"}
    httpx2.post(how.webhook, content=body, headers=kind, timeout=WITHIN).raise_for_status()
