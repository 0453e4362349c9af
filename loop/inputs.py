"""What makes a run the same cycle: settings, input files by content, and the code version of the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from curation.rows import short_hash
from judge.settings import ServiceSettings
from loop.config import Schedule, Traces

if TYPE_CHECKING:
    from loop.workspace import Workspace

CODE = 3
"""Raised when a step's meaning changes, so that an open cycle of the old code is not continued by the new."""


def inputs_of(workspace: Workspace) -> dict[str, Any]:
    """Everything that the steps of a cycle depend on, as JSON values.

    How a service is asked, what it charges, when cycles run and how long traces are kept may change while
    a cycle is open.

    Returns:
        `code`, `settings` (the configuration) and `files` (SHA-256 by name).

    Raises:
        UserError: A file that the configuration names is missing.
    """
    config = workspace.config
    judge = msgspec.structs.replace(config.judge, service=ServiceSettings())
    same = msgspec.structs.replace(config, judge=judge, price=(), schedule=Schedule(), traces=Traces())
    made: dict[str, Any] = {"code": CODE, "settings": same, "files": workspace.inputs()}
    return dict(msgspec.json.decode(msgspec.json.encode(made)))  # as it comes back from the ledger


def inputs_key(inputs: dict[str, Any]) -> str:
    """The hash under which a cycle is known."""
    return short_hash(inputs)


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between the inputs of two runs, a line each: `judge.threshold: 0.7, now 0.8`.

    Nothing where the older are not known: an older regrind did not keep them.
    """
    if not old:
        return []
    before, after = _flat(old.get("settings", {})), _flat(new["settings"])
    names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
    told = [f"{name}: {before.get(name)!r}, now {after.get(name)!r}" for name in names]
    files, now = old.get("files", {}), new["files"]
    told += [f"{name}: another content" for name in sorted(now) if name in files and files[name] != now[name]]
    told += (
        [f"the code of the steps: {old.get('code')}, now {CODE}"] if old.get("code") != new["code"] else []
    )
    return told


def _flat(value: object, name: str = "") -> dict[str, object]:
    """A nested table and its lists as one level of dotted names."""
    if isinstance(value, list):
        value = {str(number): inner for number, inner in enumerate(value, start=1)}
    if not isinstance(value, dict):
        return {name: value}
    found: dict[str, object] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else key)
    return found
