"""One version is in production, or none; putting another there archives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from curation.errors import UserError
from loop.registry import Version, production, set_production, versions
from loop.store import transaction, utc_now

if TYPE_CHECKING:
    from pathlib import Path


def add(connection: Any, version: int, status: str, name: str = "m", snapshot: str | None = None) -> None:
    values = [name, version, "base", "id", snapshot, status, None, "{}", "{}", utc_now()]
    connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def test_versions_come_oldest_first_and_of_one_model(tmp_path: Path) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        add(connection, 1, "staging", snapshot="abc")
        add(connection, 0, "production")
        add(connection, 7, "production", name="other")
        assert versions(connection, "m") == [Version(0, None, "production"), Version(1, "abc", "staging")]
        assert versions(connection, "unheard of") == []
        assert production(connection, "m").version == 0


def test_promoting_archives_the_one_before_and_leaves_the_rest(tmp_path: Path) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        for version, status in enumerate(["production", "rejected", "staging"]):
            add(connection, version, status)
        add(connection, 0, "production", name="other")
        set_production(connection, "m", 2)
        assert [v.status for v in versions(connection, "m")] == ["archived", "rejected", "production"]
        assert production(connection, "other").version == 0
        set_production(connection, "m", 2)
        assert production(connection, "m").version == 2
        set_production(connection, "m", 0)
        assert [v.status for v in versions(connection, "m")] == ["production", "rejected", "archived"]


def test_a_version_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        add(connection, 0, "production")
        with pytest.raises(UserError, match="no version 5") as caught:
            set_production(connection, "m", 5)
        assert "regrind model list" in caught.value.fix
        assert production(connection, "m").version == 0


def test_no_production_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with transaction(tmp_path / "s.duckdb") as connection:
        add(connection, 0, "staging")
        with pytest.raises(UserError, match="no version is in production") as caught:
            production(connection, "m")
    assert "regrind cycle run" in caught.value.fix


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    with pytest.raises(duckdb.ConstraintException), transaction(tmp_path / "s.duckdb") as connection:
        add(connection, 0, "beloved")
