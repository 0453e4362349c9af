"""Stores of earlier versions are brought forward with all that is in them; newer ones are left alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import duckdb
import pytest

from curation.errors import UserError
from loop.store import MIGRATIONS, query, transaction
from tests.loop.byhand import JUDGE

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(MIGRATIONS.glob("*.sql"))
NEWEST = len(FILES)
ROWS = """
    INSERT INTO snapshots VALUES ('s', NULL, 1, '2026-01-01', 1, 1, 0, 0, '{}');
    INSERT INTO {rows} VALUES ('s', 'r', 'train', 'correction', 'trace:t', 1, [], 't');
    INSERT INTO models (name, version, base, base_id, snapshot, status, path, settings, metrics, created)
        VALUES ('m', 1, 'b', 'i', 's', 'production', NULL, '{}', '{}', '2026-01-01');
    INSERT INTO traces (id, source, event, time, cycle, model, version, messages, output, origin)
        VALUES ('t', 'cycle-1', 'e', '2026-01-01', 1, 'm', 1, '[]', 'said', 'cycle');
    INSERT INTO verdicts (trace, judge, repeat, key, state, score, criteria, feedback, raw, stop_reason,
                          input_tokens, output_tokens)
        VALUES ('t', '{judge}', 0, 'k', 'scored', 0.25, '{}', 'why', '', '', 3, 4);
    INSERT INTO corrections VALUES ('t', '{judge}', 'person:a', 'better', 'accepted', '', 1);
    INSERT INTO heldout_sets (name, version, items, role) VALUES ('h', 'v', 3, 'target');
    INSERT INTO cycles (id, model, kind, key, state, started)
        VALUES (1, 'm', 'seed', 'k', 'finished', '2026-01-01');
    INSERT INTO steps (cycle, position, name, outputs, summary, started, finished)
        VALUES (1, 1, 'curate', '{}', 'done', '2026-01-01', '2026-01-01');
"""


def written_by(version: int, path: Path) -> Path:
    """A store as the release with this schema wrote it."""
    with duckdb.connect(str(path), config={"storage_compatibility_version": "v1.5.0"}) as connection:
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        for number, file in enumerate(FILES[:version], start=1):
            connection.execute(file.read_text(encoding="utf8"))
            connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        layered = "0008.sql" in {file.name for file in FILES[:version]}
        rows = "layer_rows" if layered else "membership"
        connection.execute(ROWS.replace("{judge}", JUDGE).replace("{rows}", rows))
        if layered:
            connection.execute("INSERT INTO layers VALUES ('s', 0, 's')")
    return path


@pytest.mark.parametrize("version", range(1, NEWEST))
def test_an_old_store_is_brought_forward_with_all_its_rows(tmp_path: Path, version: int) -> None:
    path = written_by(version, tmp_path / "traces.duckdb")
    with transaction(path):
        pass
    assert query(path, "SELECT max(version) AS v FROM schema_version")["v"].to_list() == [NEWEST]
    (found,) = query(path, "SELECT * FROM row_history").to_dicts()
    assert (found["traced_output"], found["score"], found["corrected_output"]) == ("said", 0.25, "better")
    assert query(path, "SELECT trace, score, feedback FROM low_scores").rows() == [("t", 0.25, "why")]
    assert query(path, "SELECT asked, input_tokens, cycle FROM judge_cost").rows() == [(1, 3, 1)]
    assert query(path, "SELECT traces, cost_unknown FROM usage").rows() == [(1, 1)]
    assert query(path, "SELECT snapshot, row_id, trace FROM membership").rows() == [("s", "r", "t")]


def test_every_version_ends_with_the_same_schema(tmp_path: Path) -> None:
    sql = "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal ORDER BY ALL"
    schemas = []
    for version in range(NEWEST + 1):
        path = tmp_path / f"{version}.duckdb"
        if version:
            written_by(version, path)
        with transaction(path):
            pass
        schemas.append(query(path, sql).rows())
    assert all(schema == schemas[-1] for schema in schemas)


def test_a_newer_store_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = written_by(NEWEST, tmp_path / "traces.duckdb")
    with duckdb.connect(str(path)) as connection:
        connection.execute("INSERT INTO schema_version VALUES (?)", [NEWEST + 1])
    before = path.read_bytes()
    with (
        pytest.raises(UserError, match=f"schema {NEWEST + 1}; this regrind knows {NEWEST}"),
        transaction(path),
    ):
        pass
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_old_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in FILES:
        (folder / file.name).write_text(file.read_text(encoding="utf8"), encoding="utf8")
    (folder / "9999.sql").write_text("ALTER TABLE traces ADD COLUMN new INTEGER; SELECT broken;")
    path = written_by(NEWEST, tmp_path / "traces.duckdb")
    monkeypatch.setattr("loop.store.migrate.MIGRATIONS", folder)
    with pytest.raises(duckdb.Error), transaction(path):
        pass
    columns = query(path, "SELECT * FROM traces LIMIT 0").columns
    assert "new" not in columns
    assert (
        json.loads(query(path, "SELECT to_json(list(version)) AS v FROM schema_version")["v"][0])[-1]
        == NEWEST
    )
