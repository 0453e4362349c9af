"""What several tests of the loop begin with."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from loop.demo import run_demo
from loop.progress import Progress
from loop.store import transaction
from loop.workspace import Workspace
from tests.loop.small import build_workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store with the newest schema."""
    path = tmp_path / "hidden" / "traces.duckdb"
    with transaction(path):
        pass
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loop that has run its first two cycles, on a tiny model."""
    root = tmp_path_factory.mktemp("again") / "loop"
    run_demo(build_workspace(root).root, "reference", Progress(quiet=True))
    return root


@pytest.fixture
def workspace(finished: Path, tmp_path: Path) -> Workspace:
    """A copy of that loop."""
    return Workspace(shutil.copytree(finished, tmp_path / "moved"))
