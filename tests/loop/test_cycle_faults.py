"""A cycle where the disk is full, read-only or damaged, or the clock went back: a clear end, nothing lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from loop.cycle import run_cycle
from loop.opening import Asked
from loop.progress import Progress
from loop.store import age, query, transaction
from loop.workspace import Workspace
from tests.loop.test_held import begun, calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.crash

FULL = r"no disk space left|cannot be written"
MORE = """
    INSERT INTO deletions SELECT md5(i::VARCHAR), repeat(md5(i::VARCHAR), 20), now() FROM range(4000) t(i)
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A disk of 16 MB of its own; where no disk may be mounted, the test is skipped."""
    place = tmp_path / "disk"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    if mount("-t", "tmpfs", "-o", "size=16m", "none", place):
        pytest.skip("this user may not mount a disk")
    yield place
    mount("-o", "remount,rw", place)
    subprocess.run(["umount", "--lazy", place], check=True)


def mount(*args: object) -> int:
    return subprocess.run(["mount", *map(str, args)], capture_output=True, check=False).returncode


def step(workspace: Workspace, name: str) -> int:
    return run_cycle(Workspace(workspace.root), Progress(quiet=True), Asked(only=name, wait=1)).steps


def fill(disk: Path) -> Path:
    """Take all the room there is."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(b"x" * 65536):
            pass
    return ballast


def verdicts(workspace: Workspace) -> int:
    return int(query(workspace.view, "SELECT count(*) FROM verdicts").item())


@pytest.mark.parametrize("name", ["collect", "judge"])
def test_a_full_disk_stops_the_cycle_and_it_goes_on_there(disk: Path, name: str) -> None:
    workspace = begun(disk / "w")
    for before in ("collect", "generate") if name == "judge" else ():
        step(workspace, before)
    ballast = fill(disk)
    with pytest.raises(UserError, match=FULL) as caught:
        step(workspace, name)
    assert "free some space" in caught.value.fix
    asked = len(calls())
    ballast.unlink()
    assert step(workspace, name) == 1
    if name == "judge":
        assert asked <= 1, "the first verdict could not be kept, and no other was asked for"
        assert (verdicts(workspace), len(calls())) == (5, 5 + asked)
    assert query(workspace.store, "SELECT count(*) FROM traces WHERE cycle = 2").item() == 5


def test_a_disk_that_fills_while_a_step_is_committed(disk: Path) -> None:
    workspace = begun(disk / "w")
    for before in ("collect", "generate"):
        step(workspace, before)
    ballast = fill(disk)
    with ballast.open("r+b") as stream:
        stream.truncate(ballast.stat().st_size - 400_000)  # the spool has room, the store has not
    with pytest.raises(UserError, match=FULL), transaction(workspace.store) as connection:
        connection.execute(MORE)
    ballast.unlink()
    assert query(workspace.store, "SELECT count(*) FROM deletions").item() == 0
    assert step(workspace, "judge") == 1
    assert (verdicts(workspace), len(calls())) == (5, 5)


def test_a_read_only_disk_is_named_and_the_cycle_goes_on_when_it_is_writable(disk: Path) -> None:
    workspace = begun(disk / "w")
    step(workspace, "collect")
    assert mount("-o", "remount,ro", disk) == 0
    with pytest.raises(UserError, match="cannot be written to") as caught:
        step(workspace, "generate")
    assert str(disk) in caught.value.where
    assert "may write to" in caught.value.fix
    assert query(workspace.view, "SELECT count(*) FROM traces").item() == 5  # readers are not in the way
    assert mount("-o", "remount,rw", disk) == 0
    assert step(workspace, "generate") == 1


def test_a_damaged_store_is_named_and_a_backup_goes_on(tmp_path: Path) -> None:
    workspace = begun(tmp_path / "w")
    step(workspace, "collect")
    backup = shutil.copy(workspace.store, tmp_path / "backup")
    data = bytearray(workspace.store.read_bytes())
    data[4096::5] = b"x" * len(data[4096::5])
    workspace.store.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read") as caught:
        step(workspace, "generate")
    assert (caught.value.where, "backup" in caught.value.fix) == (str(workspace.store), True)
    assert query(workspace.view, "SELECT count(*) FROM traces").item() == 5
    shutil.copy(backup, workspace.store)
    assert step(workspace, "generate") == 1


def test_a_clock_that_was_set_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store and its copy are from tomorrow."""
    monkeypatch.chdir(tmp_path)
    workspace = begun(tmp_path / "w")
    step(workspace, "collect")
    day = "started = started + INTERVAL 1 DAY, finished = finished + INTERVAL 1 DAY"
    with transaction(workspace.store) as connection:
        connection.execute(f"UPDATE cycles SET {day}")
        connection.execute(f"UPDATE steps SET {day}")
    tomorrow = time.time() + 86_400
    for path in (workspace.store, workspace.view):
        os.utime(path, (tomorrow, tomorrow))
    assert age(workspace.view) == "0 s"
    for name in ("generate", "judge", "correct"):
        assert step(workspace, name) == 1
    names = query(workspace.view, "SELECT name FROM steps WHERE cycle = 2 ORDER BY position")["name"]
    assert names.to_list() == ["collect", "generate", "judge", "correct"]
    assert len(calls()) == 5
