"""Forward migrations: each file of `loop/migrations` once, in its order, in a transaction of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from curation.errors import UserError

if TYPE_CHECKING:
    import duckdb

MIGRATIONS = Path(__file__).parents[1] / "migrations"


def migrate(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Bring a store to the newest schema.

    Args:
        connection: To the store, outside a transaction.
        path: The store's file, for the message.

    Raises:
        UserError: A newer regrind wrote it.
    """
    names = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    if names and "schema_version" not in names:
        fix = "move this file away: it is the database of another program"
        raise UserError("this is no store of regrind", where=str(path), fix=fix)
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
    row = connection.execute("SELECT max(version) FROM schema_version").fetchone()
    have = (row and row[0]) or 0
    files = sorted(MIGRATIONS.glob("*.sql"))
    if have > len(files):
        fix = "install the regrind that wrote it, or a newer one"
        raise UserError(
            f"the store has schema {have}; this regrind knows {len(files)}", where=str(path), fix=fix
        )
    for number, file in enumerate(files[have:], start=have + 1):
        connection.begin()
        connection.execute(file.read_text(encoding="utf8"))
        connection.execute("INSERT INTO schema_version VALUES (?)", [number])
        connection.commit()
