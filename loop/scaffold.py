"""A new workspace: configuration, rubrics, and a place for the data."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from curation.errors import UserError
from curation.files import new_folder, resource

if TYPE_CHECKING:
    from pathlib import Path


def scaffold(folder: Path) -> list[Path]:
    """Make a workspace and return the paths that were written.

    Raises:
        UserError: The folder exists.
    """
    if folder.exists():
        raise UserError("this exists already", where=str(folder), fix="name a folder that does not exist")
    with new_folder(folder) as temporary:
        (temporary / "data").mkdir()
        shutil.copytree(resource("rubrics"), temporary / "rubrics")
        shutil.copyfile(resource("regrind.toml"), temporary / "regrind.toml")
    return sorted(path for path in folder.rglob("*") if path.is_file())
