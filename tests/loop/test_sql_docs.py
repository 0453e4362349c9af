"""docs/sql.md describes every table, view and column, and every statement in it runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from loop.store import query, transaction
from tests.loop.byhand import filled

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text(encoding="utf8")
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "traces.duckdb"
    with transaction(path):
        pass
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("full"))[0].view


def described() -> dict[str, str]:
    """What the page says about each table and view, by name."""
    found = re.findall(r"^(?:- )?`(\w+)`: (.*?)(?=^- |^`\w+`: |^#|^$)", PROSE, re.DOTALL | re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("statement", BLOCKS)
def test_every_statement_runs_on_an_empty_store(empty: Path, statement: str) -> None:
    assert query(empty, statement).width > 0


@pytest.mark.parametrize("statement", BLOCKS)
def test_every_statement_runs_on_a_filled_store(full: Path, statement: str) -> None:
    assert query(full, statement).width > 0


def test_every_table_and_view_is_described_with_every_column(empty: Path) -> None:
    columns = query(
        empty, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    ).rows()
    page = described()
    assert {table for table, _ in columns} == set(page)
    missing = [f"{table}.{column}" for table, column in columns if f"`{column}`" not in page[table]]
    assert missing == []


def test_every_view_has_a_statement(empty: Path) -> None:
    views = query(empty, "SELECT view_name FROM duckdb_views() WHERE NOT internal")["view_name"]
    assert views.len() > 0
    assert [view for view in views if not any(f"FROM {view}" in block for block in BLOCKS)] == []
