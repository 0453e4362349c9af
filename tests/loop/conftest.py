"""What several tests of the loop begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from loop.store import transaction

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty store with the newest schema."""
    path = tmp_path / "hidden" / "traces.duckdb"
    with transaction(path):
        pass
    return path
