"""Check a workspace's settings and inputs, changing nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.intake import read_file
from curation.validate import in_words, validate
from judge.rubric import load_rubric
from loop.config import rule_settings
from loop.gate import items_needed
from loop.heldout import demand_target, read_heldout
from loop.models import base_folder
from loop.pool import read_pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from curation.rules import Kind
    from loop.config import Config
    from loop.workspace import Workspace

SHOWN = 10


def check_workspace(workspace: Workspace) -> dict[str, Any]:
    """Read everything that a cycle would read.

    Returns:
        `files` (rows, rejected lines, errors and warnings of each seed file and of the pool), `messages`
        for people, and `errors`, how many things must be corrected. Bad seed lines are no errors: the
        cycle quarantines them; a bad held-out set, pool or rubric is.
    """
    config = workspace.config
    files: list[dict[str, Any]] = []
    messages: list[str] = []
    reads: list[Callable[[], object]] = [
        *(lambda n=name: files.append(_file(workspace, n, "train", messages)) for name in config.data.seed),
        *(lambda p=path: load_rubric(workspace.path(p)) for path in _rubrics(config)),
        lambda: demand_target(config),
        lambda: messages.extend(_too_few_items(workspace)),
        lambda: base_folder(workspace),
    ]
    if config.data.pool:
        reads.append(lambda: files.append(_pool(workspace, config.data.pool or "", messages)))
    errors = [error for read in reads if (error := _attempt(read))]
    return {"files": files, "messages": messages + errors, "errors": len(errors)}


def _rubrics(config: Config) -> list[str]:
    members = [member.rubric for member in config.judge.member if member.rubric]
    return list(dict.fromkeys([config.judge.rubric, *members, *(held.rubric for held in config.heldout)]))


def _pool(workspace: Workspace, name: str, messages: list[str]) -> dict[str, Any]:
    read_pool(workspace)
    return _file(workspace, name, "prompts", messages)


def _file(workspace: Workspace, name: str, kind: Kind, messages: list[str]) -> dict[str, Any]:
    rows, rejects = read_file(workspace.path(name), source=name, ids=False)
    findings = validate(rows, kind=kind, settings=rule_settings(workspace.config))
    lines = [f"{name}:{r['line']}: rejected: {r['reason']}" for r in rejects.iter_rows(named=True)]
    lines += [in_words(finding, name) for finding in findings.iter_rows(named=True)]
    messages += lines[:SHOWN]
    if len(lines) > SHOWN:
        messages.append(f"{name}: and {len(lines) - SHOWN} more")
    levels = findings["level"].to_list()
    counts = {"errors": levels.count("error"), "warnings": levels.count("warning")}
    return {"file": name, "rows": rows.height, "rejected": rejects.height, **counts}


def _too_few_items(workspace: Workspace) -> list[str]:
    """Read the held-out sets; a warning where they are too small to ever prove a gain."""
    gate, sets = workspace.config.gate, read_heldout(workspace)
    pairs = zip(workspace.config.heldout, sets, strict=True)
    items = sum(frozen.items.height for held, frozen in pairs if held.role == "target")
    if items < (needed := items_needed(gate.alpha / gate.rounds)):
        return [
            f"warning: the target sets have {items} items; with alpha {gate.alpha} over {gate.rounds} rounds"
            f" no model can be proven better on fewer than {needed}"
        ]
    return []


def _attempt(read: Callable[[], object]) -> str | None:
    try:
        read()
    except UserError as error:
        return f"error: {error}"
    return None
