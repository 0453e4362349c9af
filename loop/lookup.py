"""Finding things by what a user types: the beginning of an id, a version number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.errors import UserError
from loop.registry import versions
from loop.store import query, transaction

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace


def snapshot_folder(workspace: Workspace, beginning: str) -> Path:
    """Folder of the snapshot whose id begins so.

    Raises:
        UserError: None does, or several do.
    """
    folders = workspace.snapshots.iterdir() if workspace.snapshots.is_dir() else []
    names = sorted(f.name for f in folders if f.name.startswith(beginning) and not f.name.startswith("."))
    if len(names) != 1:
        problem = (
            f"{len(names)} snapshots begin with {beginning!r}"
            if names
            else f"no snapshot begins with {beginning!r}"
        )
        raise UserError(problem, where=str(workspace.snapshots), fix="run `regrind snapshot list`")
    return workspace.snapshots / names[0]


def latest_snapshot(workspace: Workspace) -> str:
    """Id of the snapshot that was written last.

    Raises:
        UserError: There is none.
    """
    found = query(workspace.view, "SELECT id FROM snapshots ORDER BY created DESC LIMIT 1")
    if not found.height:
        raise UserError(
            "there is no snapshot", where=str(workspace.snapshots), fix="run `regrind curate run`"
        )
    return str(found["id"][0])


def known_version(workspace: Workspace, version: int) -> int:
    """The version itself, if there is such a version.

    Raises:
        UserError: There is not.
    """
    name = workspace.config.model
    with transaction(workspace.store) as connection:
        known = [v.version for v in versions(connection, name)]
    if version not in known:
        told = ", ".join(map(str, known)) or "none"
        fix = "run `regrind model list`; `regrind cycle run` makes the first versions"
        raise UserError(f"there is no version {version} (there is {told})", where=f"model {name}", fix=fix)
    return version
