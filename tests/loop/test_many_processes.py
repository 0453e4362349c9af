"""Many processes at one store: nothing lost, nothing read half-written; a forgotten prompt only delays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from loop.spool import spooled
from loop.store import publish, query, transaction
from tests.loop.byhand import build_workspace, filled, write_lines
from tests.loop.commands import regrind
from tests.loop.processes import count, python
from tests.loop.test_store_faults import HOLD

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.crash
SECONDS, ROWS = 60, 20

WRITER = """
import pathlib, sys, time
from loop.store import publish, transaction
from tests.loop.byhand import add_trace
store, view, me, seconds, rows = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), *sys.argv[3:]
until, batch = time.monotonic() + float(seconds), 0
while time.monotonic() < until:
    name = f"{me}-{batch}"
    with transaction(store) as connection:
        for number in range(int(rows)):
            add_trace(connection, f"{name}-{number}", "x" * 500, run=name)
    print(name, flush=True)
    batch += 1
    if batch % 3 == 0:
        publish(store, view)
"""
READER = """
import pathlib, sys, time
from loop.store import query
view, seconds, rows = pathlib.Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
until, seen, times = time.monotonic() + seconds, 0, 0
while time.monotonic() < until:
    table = query(view, "SELECT run, count(*) AS n FROM traces GROUP BY run")
    assert set(table["n"]) <= {rows}, table
    assert table.height >= seen, "the copy went back in time"
    seen, times = table.height, times + 1
print(times)
"""


def test_six_write_and_four_read(tmp_path: Path) -> None:
    store, view = tmp_path / "traces.duckdb", tmp_path / "view.duckdb"
    with transaction(store):
        pass
    publish(store, view)
    writers = [python(WRITER, store, view, str(n), str(SECONDS), str(ROWS)) for n in range(6)]
    readers = [python(READER, view, str(SECONDS), str(ROWS)) for _ in range(4)]
    written = [process.communicate() for process in writers]
    read = [process.communicate() for process in readers]
    assert [err for _, err in written + read if err] == []
    batches = [name for out, _ in written for name in out.split()]
    assert all(out for out, _ in written)
    assert all(int(out) > 10 for out, _ in read)
    publish(store, view)
    for path in (store, view):
        found = query(path, "SELECT run, count(*) AS n FROM traces GROUP BY run")
        assert sorted(found["run"]) == sorted(batches)
        assert set(found["n"]) == {ROWS}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_forgotten_prompt_delays_no_verdict(tmp_path: Path) -> None:
    workspace = filled(tmp_path / "w")[0]
    place = ["-w", workspace.root, "--rubric", "answer", "--judge", "reference"]
    holder = python(HOLD, workspace.store)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    try:
        held = regrind("judge", "run", "--traces", "true", *place)
        assert held.code == 1
        assert f"process {holder.pid}" in held.err
        assert "none is asked for again" in held.err
        assert len(spooled(workspace.spool)) == 4
        assert regrind("sql", "-w", workspace.root, "select 1").code == 0
    finally:
        holder.communicate("")
    again = regrind("judge", "run", "--traces", "true", *place, "--json")
    assert (json.loads(again.out)["asked"], spooled(workspace.spool)) == (0, {})
    assert count(workspace.view, "verdicts") == 8


def test_an_import_of_many_at_once_loses_nothing(tmp_path: Path) -> None:
    workspace = build_workspace(tmp_path / "w")
    lines = [{"id": str(n), "prompt": f"asks {n}", "output": f"says {n}"} for n in range(2000)]
    for part in range(4):
        write_lines(tmp_path / f"{part}.jsonl", lines[part * 400 : part * 400 + 800])  # halves overlap
    code = "import sys; from loop.cli import main; sys.argv = ['regrind', *sys.argv[1:]]; main()"
    place = ["trace", "import", "-w", workspace.root]
    running = [python(code, *place, tmp_path / f"{part}.jsonl") for part in range(4)]
    told = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 4, told
    assert query(workspace.view, "SELECT count(*), count(DISTINCT event) FROM traces").row(0) == (2000, 2000)
