"""A writer that is killed at any moment leaves nothing that looks like a snapshot; the next one ends well."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from curation.files import remove_leftovers
from curation.manifest import read_manifest
from curation.verify import verify

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, ".")
from tests.curation.test_growth import Growth, corpus, write

root = Path(sys.argv[1])
print("ready", flush=True)
first = write(root, corpus(range(3000)))
second = write(root, corpus(range(3000, 3300)), Growth(first.id, corpus([7])["id"].to_list()))
print(first.id, second.id, flush=True)
"""


def start(root: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"POLARS_MAX_THREADS": "1"},
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def ids_of(root: Path) -> list[str]:
    with start(root) as writer:
        assert writer.stdout is not None
        ids = writer.stdout.readline().split()
    assert writer.returncode == 0
    return ids


@pytest.mark.crash
def test_a_killed_writer_leaves_no_half_snapshot(tmp_path: Path) -> None:
    begun = time.monotonic()
    ids = ids_of(tmp_path / "whole")
    takes = time.monotonic() - begun
    rng = random.Random(1)
    root = tmp_path / "root"
    root.mkdir()
    killed, seen = 0, set()
    for _ in range(20):
        with start(root) as writer:
            time.sleep(rng.uniform(0, takes))
            writer.send_signal(signal.SIGKILL)
        killed += writer.returncode == -signal.SIGKILL
        folders = [path for path in root.iterdir() if not path.name.startswith(".")]
        seen.add(len(folders))
        assert all(verify(folder) == [] for folder in folders)
        assert {folder.name for folder in folders} <= set(ids)
    assert killed >= 10
    assert seen >= {0, 1} or seen >= {0, 2}
    remove_leftovers(root)
    assert ids_of(root) == ids
    assert sorted(path.name for path in root.iterdir()) == sorted(ids)
    for name in ids:
        assert read_manifest(root / name) == read_manifest(tmp_path / "whole" / name)
