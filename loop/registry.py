"""The registry: which version of the model is in production, and how that changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from curation.errors import UserError

if TYPE_CHECKING:
    import duckdb


class Version(NamedTuple):
    """A version of a model: 0 is the base; `snapshot` is null there."""

    version: int
    snapshot: str | None
    status: str


def versions(connection: duckdb.DuckDBPyConnection, name: str) -> list[Version]:
    """All versions of a model, oldest first."""
    sql = "SELECT version, snapshot, status FROM models WHERE name = ? ORDER BY version"
    return [Version(*row) for row in connection.execute(sql, [name]).fetchall()]


def production(connection: duckdb.DuckDBPyConnection, name: str) -> Version:
    """The version in production.

    Raises:
        UserError: There is none yet.
    """
    for version in versions(connection, name):
        if version.status == "production":
            return version
    raise UserError("no version is in production", where=f"model {name}", fix="run `regrind cycle run`")


def set_production(connection: duckdb.DuckDBPyConnection, name: str, version: int) -> None:
    """Put a version into production; the one before is archived. Call it inside a transaction.

    Raises:
        UserError: There is no such version.
    """
    if version not in [v.version for v in versions(connection, name)]:
        raise UserError(
            f"there is no version {version}", where=f"model {name}", fix="run `regrind model list`"
        )
    connection.execute(
        "UPDATE models SET status = 'archived' WHERE name = ? AND status = 'production' AND version <> ?",
        [name, version],
    )
    connection.execute(
        "UPDATE models SET status = 'production' WHERE name = ? AND version = ?", [name, version]
    )
