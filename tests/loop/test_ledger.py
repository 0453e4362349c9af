"""What a step made and the mark that it is done are there together, or neither is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from loop.ledger import Ledger, Outcome
from loop.store import query, utc_now
from tests.loop.byhand import add_trace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "traces.duckdb", tmp_path / "view.duckdb", "model")


def outcome(*identities: str, error: Exception | None = None) -> Outcome:
    def commit(connection: Any) -> None:
        for identity in identities:
            add_trace(connection, identity, "said")
        if error:
            raise error

    return Outcome({"traces": len(identities)}, "told", commit)


def test_a_step_and_its_rows_commit_together(ledger: Ledger, tmp_path: Path) -> None:
    cycle = ledger.begin("seed", "key")
    started = utc_now()
    ledger.complete(cycle, 1, "collect", outcome("t", "u"), started)
    assert ledger.outputs(cycle) == {"collect": {"traces": 2}}
    store = tmp_path / "traces.duckdb"
    assert query(store, "SELECT id FROM traces ORDER BY id")["id"].to_list() == ["t", "u"]
    (step,) = query(store, "SELECT * FROM steps").to_dicts()
    assert (step["position"], step["summary"], step["started"]) == (1, "told", started)
    assert step["finished"] >= started


def test_an_error_in_the_rows_leaves_neither(ledger: Ledger, tmp_path: Path) -> None:
    cycle = ledger.begin("seed", "key")
    with pytest.raises(ValueError, match="no good"):
        ledger.complete(cycle, 1, "collect", outcome("t", error=ValueError("no good")), utc_now())
    assert ledger.outputs(cycle) == {}
    assert query(tmp_path / "traces.duckdb", "SELECT * FROM traces").height == 0


def test_a_step_is_done_once_and_its_rows_are_not_written_twice(ledger: Ledger, tmp_path: Path) -> None:
    cycle = ledger.begin("seed", "key")
    ledger.complete(cycle, 1, "collect", outcome("t"), utc_now())
    with pytest.raises(duckdb.ConstraintException):
        ledger.complete(cycle, 1, "collect", outcome("u"), utc_now())
    assert query(tmp_path / "traces.duckdb", "SELECT id FROM traces")["id"].to_list() == ["t"]


def test_a_step_without_rows_is_marked_too(ledger: Ledger) -> None:
    cycle = ledger.begin("seed", "key")
    ledger.complete(cycle, 2, "evaluate", Outcome({}, ""), utc_now())
    assert ledger.outputs(cycle) == {"evaluate": {}}


def test_the_last_cycle_is_the_newest_that_was_not_abandoned(ledger: Ledger) -> None:
    assert ledger.last() is None
    first = ledger.begin("seed", "key")
    assert ledger.last() == first
    ledger.close(first, "finished")
    second = ledger.begin("feedback", "other")
    assert (second.id, second.state) == (first.id + 1, "running")
    ledger.close(second, "abandoned")
    found = ledger.last()
    assert found
    assert (found.id, found.kind, found.key, found.state) == (first.id, "seed", "key", "finished")
    assert ledger.begin("feedback", "third").id == second.id + 1


def test_outputs_belong_to_their_cycle(ledger: Ledger) -> None:
    first, second = ledger.begin("seed", "key"), ledger.begin("feedback", "key")
    ledger.complete(first, 1, "train", Outcome({"version": 1}, ""), utc_now())
    assert ledger.outputs(second) == {}
    ledger.complete(second, 1, "train", Outcome({"version": 2}, ""), utc_now())
    assert ledger.outputs(first) == {"train": {"version": 1}}


def test_a_cycle_is_closed_with_its_time(ledger: Ledger, tmp_path: Path) -> None:
    ledger.close(ledger.begin("seed", "key"), "finished")
    (cycle,) = query(tmp_path / "traces.duckdb", "SELECT state, started, finished FROM cycles").to_dicts()
    assert cycle["state"] == "finished"
    assert cycle["finished"] >= cycle["started"]
