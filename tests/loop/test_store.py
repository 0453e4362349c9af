"""The store: whole transactions or none, forward migrations, a copy that readers can have at any time."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from curation.errors import UserError
from loop.store import MIGRATIONS, insert, publish, query, transaction, utc_now
from tests.loop.byhand import add_trace, evaluations

ROOT = Path(__file__).parents[2]
HOLD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
FILL = "INSERT INTO cycles SELECT range, md5(range::VARCHAR), repeat(md5(range::VARCHAR), 9), 'running', now(), NULL"


def python(code: str, *args: Path | str, **options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        **options,
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "hidden" / "traces.duckdb"
    with transaction(path):
        pass
    return path


def count(path: Path, table: str) -> int:
    return int(query(path, f"SELECT count(*) AS n FROM {table}")["n"][0])


def test_a_new_store_has_the_newest_schema(store: Path) -> None:
    assert query(store, "SELECT version FROM schema_version")["version"].to_list() == [
        *range(1, len(list(MIGRATIONS.glob("*.sql"))) + 1)
    ]
    assert count(store, "traces") == 0


def test_opening_again_migrates_nothing_twice(store: Path) -> None:
    with transaction(store) as connection:
        add_trace(connection, "t", "said")
    with transaction(store) as connection:
        assert connection.execute("SELECT output FROM traces").fetchall() == [("said",)]
    assert count(store, "schema_version") == len(list(MIGRATIONS.glob("*.sql")))


def test_an_interrupted_migration_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "traces.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
    with transaction(path) as connection:
        assert connection.execute("SELECT count(*) FROM traces").fetchone() == (0,)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), UserError("no")])
def test_an_error_rolls_everything_back(store: Path, error: BaseException) -> None:
    with pytest.raises(type(error)), transaction(store) as connection:
        add_trace(connection, "t", "said")
        raise error
    assert count(store, "traces") == 0


def test_a_failed_statement_rolls_everything_back(store: Path) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        add_trace(connection, "t", "said")
        add_trace(connection, "t", "again")
    assert count(store, "traces") == 0


def test_a_newer_schema_is_refused(store: Path) -> None:
    with transaction(store) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(UserError, match="schema 99") as caught, transaction(store):
        pass
    assert caught.value.where == str(store)
    assert "newer" in caught.value.fix


def test_the_process_that_holds_the_store_is_named(store: Path) -> None:
    holder = python(HOLD, store)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"held by python.*, process {holder.pid}") as caught:
            with transaction(store, patience=0.3):
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
        connection.execute("{FILL} FROM range(50000)")
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
        connection.execute(f"{FILL} FROM range(50000)")
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
    assert out.startswith("the store cannot be written"), err
    assert count(view, "cycles") == 0
    assert sorted(path.name for path in store.parent.iterdir()) == ["traces.duckdb", "view.duckdb"]


def test_the_copy_is_read_while_the_store_is_held(store: Path) -> None:
    view = store.with_name("view.duckdb")
    with transaction(store) as connection:
        add_trace(connection, "t", "said")
    publish(store, view)
    code = """
import pathlib, sys
from loop.store import query
print(query(pathlib.Path(sys.argv[1]), "SELECT output FROM traces")["output"].to_list())
"""
    with transaction(store) as connection:
        add_trace(connection, "u", "not yet")
        out, err = python(code, view).communicate()
    assert out == "['said']\n", err
    publish(store, view)
    assert count(view, "traces") == 2


def test_a_reader_keeps_its_copy_while_a_new_one_is_published(store: Path) -> None:
    view = store.with_name("view.duckdb")
    publish(store, view)
    with duckdb.connect(str(view), read_only=True) as reader:
        with transaction(store) as connection:
            add_trace(connection, "t", "said")
        publish(store, view)
        assert reader.execute("SELECT count(*) FROM traces").fetchone() == (0,)
    assert count(view, "traces") == 1


def test_publishing_cleans_up_after_a_killed_one_with_the_same_process_id(store: Path) -> None:
    view = store.with_name("view.duckdb")
    left = view.with_name(f".{view.name}.{os.getpid()}.tmp")
    left.mkdir()
    (left / view.name).write_bytes(b"half a database")
    publish(store, view)
    assert count(view, "traces") == 0
    assert not left.exists()


def test_inserting_what_is_known_ignores_or_replaces(store: Path) -> None:
    first, second = evaluations({1: [1.0]}), evaluations({1: [0.0]})
    with transaction(store) as connection:
        insert(connection, "evaluations", first)
        insert(connection, "evaluations", second)
    assert query(store, "SELECT score FROM evaluations")["score"].to_list() == [1.0]
    with transaction(store) as connection:
        insert(connection, "evaluations", second.select(reversed(second.columns)), known="replace")
    assert query(store, "SELECT score FROM evaluations")["score"].to_list() == [0.0]
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        insert(connection, "evaluations", second, known="none")


def verdict(**values: Any) -> pl.DataFrame:
    usual = {"trace": "t", "judge": "j", "repeat": 0, "key": "k", "state": "scored", "score": 0.5}
    usual |= {"criteria": "{}", "feedback": "", "raw": "", "stop_reason": "", "input_tokens": 0, "output_tokens": 0}
    return pl.DataFrame([usual | values])


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": "failed"},
        {"score": None},
        {"state": "guessed", "score": None},
        {"score": 1.5},
        {"score": float("nan")},
    ],
)
def test_a_verdict_has_a_score_only_when_scored(store: Path, wrong: dict[str, Any]) -> None:
    with transaction(store) as connection:
        insert(connection, "verdicts", verdict(), known="none")
        insert(connection, "verdicts", verdict(trace="u", state="refused", score=None), known="none")
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        insert(connection, "verdicts", verdict(trace="v", **wrong), known="none")


@pytest.mark.parametrize("wrong", [{"state": "failed"}, {"score": None}])
def test_an_evaluation_has_a_score_only_when_scored(store: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        insert(connection, "evaluations", evaluations({1: [1.0]}, **wrong), known="none")


def test_one_event_of_a_source_is_one_trace(store: Path) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        add_trace(connection, "t", "said", event="e")
        add_trace(connection, "u", "said", event="e")


def test_asking_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no store yet") as caught:
        query(tmp_path / "view.duckdb", "SELECT 1")
    assert "regrind cycle run" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sql", ["SELEC 1", "SELECT nothing FROM traces", "DELETE FROM traces"])
def test_a_wrong_or_writing_statement_is_refused(store: Path, sql: str) -> None:
    with pytest.raises(UserError) as caught:
        query(store, sql)
    assert "docs/sql.md" in caught.value.fix


def test_what_a_query_may_return(store: Path) -> None:
    now = utc_now()
    frame = query(
        store,
        "SELECT INTERVAL 90 MINUTE AS span, 'x' AS \"a b\", [1, 2] AS list, ?::TIMESTAMP AS time, NULL AS none",
        [now],
    )
    assert frame.to_dicts() == [{"span": "01:30:00", "a b": "x", "list": [1, 2], "time": now, "none": None}]
    assert query(store, "SELECT $x AS x", {"x": 1})["x"].to_list() == [1]
    assert query(store, "").height == 0
