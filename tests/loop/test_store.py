"""The store: whole transactions or none, forward migrations, a copy that readers can have at any time."""

from __future__ import annotations

import datetime as dt
import os
import sys
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest

from curation.errors import UserError
from loop.store import MIGRATIONS, insert, publish, query, rewrite, transaction, utc_now
from tests.loop.byhand import add_trace, evaluations, filled
from tests.loop.processes import count, python

if TYPE_CHECKING:
    from pathlib import Path


def add_traces(connection: Any, *identities: str, **other: Any) -> None:
    for identity in identities:
        add_trace(connection, identity, "said", **other)


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


def test_long_texts_stay_packed_when_the_store_is_written_anew(store: Path) -> None:
    packed = "SELECT DISTINCT column_name FROM pragma_storage_info('traces') WHERE compression = 'ZSTD'"
    with transaction(store) as connection:
        add_traces(connection, *map(str, range(300)))
    for _ in range(2):
        assert sorted(query(store, packed)["column_name"]) == ["messages", "output"]
        rewrite(store)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), UserError("no")])
def test_an_error_rolls_everything_back(store: Path, error: BaseException) -> None:
    def fail() -> None:
        with transaction(store) as connection:
            add_trace(connection, "t", "said")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert count(store, "traces") == 0


def test_a_failed_statement_rolls_everything_back(store: Path) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        add_traces(connection, "t", "t")
    assert count(store, "traces") == 0


def test_a_newer_schema_is_refused(store: Path) -> None:
    with transaction(store) as connection:
        connection.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(UserError, match="schema 99") as caught, transaction(store):
        pass
    assert caught.value.where == str(store)
    assert "newer" in caught.value.fix


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
    usual |= {
        "criteria": "{}",
        "feedback": "",
        "raw": "",
        "stop_reason": "",
        "input_tokens": 0,
        "output_tokens": 0,
    }
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


def test_no_two_traces_have_one_id(store: Path) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(store) as connection:
        add_traces(connection, "t", "t", event="e")


def test_asking_where_there_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no store yet") as caught:
        query(tmp_path / "view.duckdb", "SELECT 1")
    assert "regrind cycle run" in caught.value.fix
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql", ["SELEC 1", "SELECT nothing FROM traces", "DELETE FROM traces", "COPY traces TO 'stolen.csv'"]
)
def test_a_wrong_or_writing_statement_is_refused(store: Path, sql: str) -> None:
    with pytest.raises(UserError) as caught:
        query(store, sql)
    assert "docs/sql.md" in caught.value.fix


def test_what_a_query_may_return(store: Path) -> None:
    now = utc_now()
    frame = query(
        store,
        "SELECT INTERVAL 90 MINUTE AS span, 'x' AS \"a b\", [1, 2] AS list, ?::TIMESTAMP AS time, NULL AS n",
        [now],
    )
    assert frame.to_dicts() == [{"span": "01:30:00", "a b": "x", "list": [1, 2], "time": now, "n": None}]
    assert query(store, "SELECT $x AS x", {"x": 1})["x"].to_list() == [1]
    assert query(store, "").height == 0


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("select [interval 1 day] as x", "[1 day]"),
        ("select union_value(a := 1) as x", "1"),
        ("select date 'infinity' as x", "infinity"),
        ("select timestamp '-infinity' as x", "-infinity"),
        ("select date '-4000-01-01' as x", "4001-01-01 (BC)"),
        ("select date '2020-01-01' as x", dt.date(2020, 1, 1)),
    ],
)
def test_what_has_no_other_type_is_text(store: Path, statement: str, found: object) -> None:
    with transaction(store):
        pass
    assert query(store, statement).rows() == [(found,)]


def test_the_copy_of_a_large_store_has_the_rows_of_slow_views(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = filled(tmp_path)[0]
    views = ("judge_cost", "lowest", "score_by_cycle")
    before = [query(workspace.view, f"SELECT * FROM {view} ORDER BY ALL").rows() for view in views]
    assert all(before)
    monkeypatch.setattr(sys.modules["loop.store.publish"], "LARGE", 1)
    publish(workspace.store, workspace.view)
    tables = query(workspace.view, "SELECT table_name FROM duckdb_tables()")["table_name"].to_list()
    assert set(views) <= set(tables)
    assert [query(workspace.view, f"SELECT * FROM {view} ORDER BY ALL").rows() for view in views] == before
    assert (
        query(workspace.store, "SELECT count(*) FROM duckdb_views() WHERE view_name = 'lowest'").item() == 1
    )


def test_the_lowest_are_a_thousand_of_each_cycle_and_judge(store: Path) -> None:
    numbers = pl.int_range(3500, eager=True)
    rows = pl.DataFrame({"trace": numbers.cast(pl.String), "score": (numbers * 3 % 3500) / 3500})
    with transaction(store) as connection:
        connection.register("rows", rows.to_arrow())
        connection.execute(
            "INSERT INTO traces (id, source, event, time, cycle, model, messages, output, origin)"
            " SELECT trace, 's', trace, now(), if(trace::INT < 3000, NULL, 2), 'm', '[]', 'o', 'import'"
            " FROM rows"
        )
        connection.execute(
            "INSERT INTO verdicts (trace, judge, repeat, key, state, score, criteria, feedback, raw,"
            " stop_reason, input_tokens, output_tokens)"
            " SELECT trace, 'j', 0, trace, 'scored', score, '{}', '', '', '', 0, 0 FROM rows"
        )
    found = query(store, "SELECT cycle, trace, score FROM lowest")
    assert found.group_by("cycle").len().sort("cycle").rows() == [(None, 1000), (2, 500)]
    waiting = rows.filter(pl.col("trace").cast(pl.Int32) < 3000).sort("score").head(1000)
    assert found.filter(pl.col("cycle").is_null())["trace"].to_list() == waiting["trace"].to_list()


def test_views_tell_repeats_models_and_corrections_apart(store: Path) -> None:
    def verdict(trace: str, repeat: int, state: str, day: int, cost: float | None) -> list[Any]:
        score = 0.5 if state == "scored" else None
        return [
            trace,
            "j",
            repeat,
            "k",
            state,
            score,
            "{}",
            "",
            "",
            "",
            3,
            4,
            cost,
            0,
            f"2026-01-0{day}",
        ]

    with transaction(store) as connection:
        add_traces(connection, "a", "b")
        add_traces(connection, "c", model="another")
        for row in (
            verdict("a", 0, "failed", 1, None),
            verdict("b", 0, "scored", 2, 0.25),
            verdict("b", 1, "scored", 2, 0.25),
            verdict("c", 0, "scored", 2, 0.25),
        ):
            connection.execute(f"INSERT INTO verdicts VALUES ({', '.join('?' * 15)})", row)
        for author in ("reference", "person:x", "judge"):
            values = ["b", "j", author, f"by {author}", "accepted", "", 1]
            connection.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        connection.execute("INSERT INTO layers VALUES ('s', 0, 's')")
        for origin in ("correction", "trace"):
            row = ["s", origin, "train", origin, "x", 1, [], "b"]
            connection.execute("INSERT INTO layer_rows VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    by_cycle = query(store, "SELECT model, traces, verdicts, scored FROM score_by_cycle").rows()
    assert by_cycle == [("another", 1, 1, 1), ("model", 2, 3, 2)]
    assert query(store, "SELECT trace, repeat FROM low_scores ORDER BY ALL").rows() == [
        ("b", 0),
        ("b", 1),
        ("c", 0),
    ]
    cost = query(store, "SELECT day, asked, cost, cost_unknown FROM judge_cost").rows()
    assert cost == [(dt.date(2026, 1, 2), 2, 0.5, 0)]
    history = query(store, "SELECT row_id, repeat, corrected_output FROM row_history ORDER BY ALL").rows()
    assert history == [
        ("correction", 0, "by person:x"),
        ("correction", 1, "by person:x"),
        ("trace", 0, None),
        ("trace", 1, None),
    ]
