"""The demo: a workspace from shipped data, and both kinds of cycle on it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.files import new_folder, resource
from loop.cycle import run_cycle
from loop.ledger import Ledger
from loop.lock import only_one
from loop.store import publish
from loop.summary import summarise
from loop.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

    from loop.progress import Progress

JUDGES = ("reference", "anthropic")
FILES = ("seed.jsonl", "pool.jsonl", "pool.references.jsonl", "heldout.jsonl", "general.jsonl")


def run_demo(folder: Path, judge: str, progress: Progress) -> dict[str, Any]:
    """Make the demo's workspace unless it is there, and run it to the end of its second cycle.

    Args:
        folder: The workspace.
        judge: `reference`, or `anthropic` to have Claude judge the traces.
        progress: Where progress is told.

    Returns:
        The summary of `loop.summary`.

    Raises:
        UserError: The folder holds something else, or a step found something that the user can fix.
    """
    prepare(folder, judge)
    workspace = Workspace(folder)
    ledger = Ledger(workspace.store, workspace.view, workspace.config.model)
    while not _finished(ledger):
        run_cycle(workspace, progress)
    with only_one(workspace.lock):  # a crash may have come in the middle of the last publishing
        workspace.tidy()
        publish(workspace.store, workspace.view)
    return summarise(workspace)


def _finished(ledger: Ledger) -> bool:
    last = ledger.last()
    return bool(last and last.kind == "feedback" and last.state == "finished")


def prepare(folder: Path, judge: str) -> None:
    """Write the demo's workspace: its configuration, rubrics and data."""
    if judge not in JUDGES:
        raise UserError(f"the demo has no judge {judge!r}", where="--judge", fix=f"use {' or '.join(JUDGES)}")
    if (folder / "regrind.toml").exists():
        begun = Workspace(folder).config.judge.kind
        if begun != judge:
            fix = f"add --judge {begun}, or name a new folder"
            raise UserError(f"this demo was begun with the judge {begun}", where=str(folder), fix=fix)
        return
    if folder.exists() and any(folder.iterdir()):
        raise UserError(
            "the folder is not empty and is no workspace", where=str(folder), fix="name a new folder"
        )
    if folder.exists():
        folder.rmdir()
    with new_folder(folder) as temporary:
        (temporary / "data").mkdir()
        for name in FILES:
            shutil.copyfile(resource("safety", name), temporary / "data" / name)
        shutil.copytree(resource("rubrics"), temporary / "rubrics")
        text = resource("safety", "regrind.toml").read_text(encoding="utf8")
        text = text.replace('kind = "reference"', f'kind = "{judge}"')
        (temporary / "regrind.toml").write_text(text, encoding="utf8")
