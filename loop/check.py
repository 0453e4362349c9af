"""Check a workspace's settings and inputs, changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.intake import read_jsonl
from curation.validate import validate
from judge.rubric import load_rubric
from loop.heldout import demand_target, read_heldout
from loop.pool import read_pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from loop.workspace import Workspace

SHOWN = 10


def check_workspace(workspace: Workspace) -> dict[str, Any]:
    """Read everything that a cycle would read.

    Returns:
        `files` (rows, rejected lines, errors and warnings of each seed file), `messages` for people,
        and `errors`, how many things must be corrected. Bad seed lines are no errors: the cycle
        quarantines them; a bad held-out set, pool or rubric is.
    """
    config = workspace.config
    files: list[dict[str, Any]] = []
    messages: list[str] = []
    for name in config.data.seed:
        _attempt(lambda name=name: files.append(_seed(workspace, name, messages)), messages)  # type: ignore[misc]
    errors = sum(message.startswith("error") for message in messages)
    before = len(messages)
    for path in dict.fromkeys([config.judge.rubric, *(held.rubric for held in config.heldout)]):
        _attempt(lambda path=path: load_rubric(workspace.path(path)), messages)  # type: ignore[misc]
    _attempt(lambda: demand_target(config), messages)
    _attempt(lambda: read_heldout(workspace), messages)
    if config.data.pool:
        _attempt(lambda: read_pool(workspace), messages)
    return {"files": files, "messages": messages, "errors": errors + len(messages) - before}


def _seed(workspace: Workspace, name: str, messages: list[str]) -> dict[str, Any]:
    rows, rejects = read_jsonl(workspace.path(name), source=name)
    findings = validate(rows)
    lines = [f"{name}:{r['line']}: rejected: {r['reason']}" for r in rejects.iter_rows(named=True)]
    lines += [
        f"{name}:{f['line']}: {f['level']}: {f['code']} {f['message']}"
        if f["line"]
        else f"{name}: {f['message']}"
        for f in findings.iter_rows(named=True)
    ]
    messages += lines[:SHOWN]
    if len(lines) > SHOWN:
        messages.append(f"{name}: and {len(lines) - SHOWN} more")
    levels = findings["level"].to_list()
    counts = {"errors": levels.count("error"), "warnings": levels.count("warning")}
    return {"file": name, "rows": rows.height, "rejected": rejects.height, **counts}


def _attempt(read: Callable[[], object], messages: list[str]) -> None:
    try:
        read()
    except UserError as error:
        messages.append(f"error: {error}")
