"""A store that is held, damaged or has no room: a message that says so, and nothing lost."""

from __future__ import annotations

import resource
import signal
from typing import TYPE_CHECKING

import duckdb
import pytest

from curation.errors import UserError
from loop.store import publish, query, transaction
from tests.loop.byhand import add_trace
from tests.loop.processes import count, python

if TYPE_CHECKING:
    from pathlib import Path

HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
FILL = (
    "INSERT INTO cycles (id, model, kind, key, state, started)"
    " SELECT i, 'm', md5(i::VARCHAR), repeat(md5(i::VARCHAR), 9), 'running', now()"
)


def test_the_process_that_holds_the_store_is_named(store: Path) -> None:
    holder = python(HOLD, store)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        named = f"held by python.*, process {holder.pid}"
        with pytest.raises(UserError, match=named) as caught, transaction(store, patience=0.3):
            pass
        assert caught.value.where == str(store)
        assert "close that program" in caught.value.fix
    finally:
        holder.communicate("")


def test_a_store_that_is_free_again_is_opened(store: Path) -> None:
    holder = python(HOLD, store)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(UserError), transaction(store, patience=0):
        pass
    holder.communicate("")
    with transaction(store, patience=0) as connection:
        add_trace(connection, "t", "said")


# The folder's name has "lock" in it: only DuckDB's own words about a lock may be taken for one.
@pytest.mark.parametrize("start", [0, 4096], ids=["no database", "a block"])
def test_a_damaged_file_is_told_at_once(tmp_path: Path, start: int) -> None:
    store = tmp_path / "blocks" / "traces.duckdb"
    with transaction(store):
        pass
    data = bytearray(store.read_bytes())
    data[start::7] = b"x" * len(data[start::7])
    store.write_bytes(data)
    with pytest.raises(UserError, match="cannot be read") as caught, transaction(store, patience=0):
        pass
    assert caught.value.where == str(store)
    assert "backup" in caught.value.fix


def no_space() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))


# A limit on the size of files stands for a full disk: the writes fail in the same places.
def test_a_full_disk_is_a_message_and_loses_nothing(store: Path) -> None:
    with transaction(store) as connection:
        add_trace(connection, "t", "said")
    code = f"""
import pathlib, sys
from curation.errors import UserError
from loop.store import transaction
try:
    with transaction(pathlib.Path(sys.argv[1])) as connection:
        connection.execute("{FILL} FROM range(50000) t(i)")
except UserError as error:
    print(error.problem, error.fix, sep="|")
"""
    out, err = python(code, store, preexec_fn=no_space).communicate()
    assert out.startswith("the store cannot be written"), err
    assert "free some space" in out
    assert count(store, "traces") == 1


def test_a_full_disk_while_publishing_keeps_the_old_copy(store: Path) -> None:
    view = store.with_name("view.duckdb")
    publish(store, view)
    with transaction(store) as connection:
        connection.execute(f"{FILL} FROM range(50000) t(i)")
    code = """
import pathlib, sys
from curation.errors import UserError
from loop.store import publish
try:
    publish(*map(pathlib.Path, sys.argv[1:]))
except UserError as error:
    print(error.problem)
"""
    out, err = python(code, store, view, preexec_fn=no_space).communicate()
    assert out == "no disk space left\n", err
    assert count(view, "cycles") == 0
    assert sorted(path.name for path in store.parent.iterdir()) == ["traces.duckdb", "view.duckdb"]


WROTE = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("CREATE TABLE notes AS SELECT 1 AS x")
os.kill(os.getpid(), 9)
"""


def test_the_log_of_a_client_that_died_does_not_outlive_the_copy(store: Path) -> None:
    view = store.with_name("view.duckdb")
    with transaction(store):
        pass
    publish(store, view)
    python(WROTE, view).communicate("")
    log = view.with_name("view.duckdb.wal")
    assert log.exists()
    kept = log.read_bytes()
    publish(store, view)
    assert count(view, "traces") == 0
    assert not log.exists()
    with transaction(store) as connection:
        add_trace(connection, "t", "said")
    publish(store, view)
    log.write_bytes(kept)
    with pytest.raises(UserError, match="left a log") as caught:
        query(view, "SELECT 1")
    assert "regrind publish" in caught.value.fix
    publish(store, view)
    assert count(view, "traces") == 1


def test_a_copy_that_is_open_for_writing_is_replaced_by_a_new_one(store: Path) -> None:
    view = store.with_name("view.duckdb")
    with transaction(store):
        pass
    publish(store, view)
    holder = python(HOLD, view)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    try:
        with pytest.raises(UserError, match="open for writing elsewhere") as caught:
            query(view, "SELECT 1")
        assert "regrind publish" in caught.value.fix
        publish(store, view)
        assert query(view, "SELECT 1 AS x")["x"].to_list() == [1]
    finally:
        holder.communicate("")


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    store = tmp_path / "other.duckdb"
    with duckdb.connect(str(store)) as connection:
        connection.execute("CREATE TABLE traces (x INTEGER)")
    with pytest.raises(UserError, match="no store of regrind") as caught, transaction(store):
        pass
    assert caught.value.where == str(store)
    with duckdb.connect(str(store)) as connection:
        assert connection.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("traces",)]
