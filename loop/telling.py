"""Tells somebody that a scheduled cycle failed: a command line, a webhook."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import httpx2
import msgspec

if TYPE_CHECKING:
    from pathlib import Path

    from loop.config import Schedule

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
    faults: list[str] = []
    if how.on_failure:
        told = os.environ | {"REGRIND_PROBLEM": str(failure["detail"]), "REGRIND_WORKSPACE": str(root)}
        try:
            # The user's own command line, as in a crontab.
            subprocess.run(how.on_failure, shell=True, env=told, cwd=root, timeout=WITHIN, check=True)  # noqa: S602
        except (OSError, subprocess.SubprocessError) as fault:
            faults.append(f"on_failure: {fault}")
    if how.webhook:
        body, kind = msgspec.json.encode(failure), {"content-type": "application/json"}
        try:
            httpx2.post(how.webhook, content=body, headers=kind, timeout=WITHIN).raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL) as fault:
            faults.append(f"webhook: {fault}")
    return faults
