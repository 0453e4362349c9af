"""Traces to look at: those that conditions choose, and one of them with all that was said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from loop.explain import TRACE
from loop.imports.batch import pseudonym
from loop.store import pl_frame, query, reading

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    import duckdb
    import polars as pl

CONDITIONS = {
    "below": "score < $below",
    "above": "score >= $above",
    "cycle": "cycle = $cycle",
    "model": "model = $model",
    "user": "user_id IN ($user, $pseudonym)",
    "tag": "list_contains(tags, $tag)",
    "since": "time >= $since",
    "until": "time < $until",
}
LISTED = """
    SELECT id, time, cycle, model, version, user_id, tags, score, output FROM traces
    LEFT JOIN (SELECT trace, min(score) AS score FROM verdicts GROUP BY trace) ON trace = id
    WHERE {} ORDER BY time DESC, id LIMIT $most
"""
SHOWN = {name: TRACE[name] for name in ("payloads", "labels", "verdicts", "corrections")} | {
    "traces": "SELECT * FROM traces WHERE id = $trace",
    "snapshots": "SELECT DISTINCT snapshot, row_id, split, origin FROM membership WHERE trace = $trace"
    " ORDER BY ALL",
}


class Wanted(NamedTuple):
    """Which traces; None asks for nothing. A score is the lowest that a judge gave; times are UTC."""

    below: float | None = None
    above: float | None = None
    cycle: int | None = None
    model: str | None = None
    user: str | None = None
    tag: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def listed(view: Path, wanted: Wanted, most: int) -> pl.DataFrame:
    """The newest traces for which all conditions hold.

    Args:
        view: The published copy of the store.
        wanted: The conditions.
        most: At most so many.

    Raises:
        UserError: There is no store.
    """
    given = {name: value for name, value in wanted._asdict().items() if value is not None}
    condition = " AND ".join(CONDITIONS[name] for name in given) or "true"
    if wanted.user is not None:
        given["pseudonym"] = pseudonym(wanted.user)
    return query(view, LISTED.format(condition), given | {"most": most})


def shown(view: Path, beginning: str) -> dict[str, list[dict[str, Any]]]:
    """A trace with its payload, labels, verdicts, corrections and rows, by table.

    Args:
        view: The published copy of the store.
        beginning: Its id, or how it begins.

    Raises:
        UserError: There is no such trace, or there are several.
    """
    with reading(view) as connection:
        given = {"trace": _only(connection, beginning)}
        return {name: pl_frame(connection.sql(sql, params=given)).to_dicts() for name, sql in SHOWN.items()}


def _only(connection: duckdb.DuckDBPyConnection, beginning: str) -> str:
    for condition in ("id = ?", "starts_with(id, ?)"):  # the whole id costs less to look for
        sql = f"SELECT id FROM traces WHERE {condition} LIMIT 2"  # noqa: S608
        found = connection.execute(sql, [beginning]).fetchall()
        if len(found) == 1:
            return str(found[0][0])
    problem = f"{'several traces begin' if found else 'no trace begins'} with {beginning!r}"
    raise UserError(problem, where="trace show", fix="take an id from `regrind trace list`")
