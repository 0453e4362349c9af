"""Why a cycle should run now: what the schedule's settings ask of the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loop.drift import has_fallen
from loop.steps.collect import waiting
from loop.store import transaction, utc_now

if TYPE_CHECKING:
    import duckdb

    from loop.workspace import Workspace

IMPORTED = "t.origin <> 'cycle'"


def reasons(workspace: Workspace, looks: float) -> list[str]:
    """Why a cycle should run now; none where the settings ask for a reason and there is none.

    Args:
        workspace: Where.
        looks: How often this is asked around now; the test for drift divides by it.
    """
    how, model = workspace.config.schedule, workspace.config.model
    with transaction(workspace.store) as connection:
        last = connection.execute(
            "SELECT state, coalesce(finished, started) FROM cycles WHERE model = ?"
            " AND state <> 'abandoned' ORDER BY id DESC LIMIT 1",
            [model],
        ).fetchone()
        now = _scores(connection, "t.cycle IS NULL")
        before = _scores(connection, f"t.cycle = (SELECT max(cycle) FROM traces t WHERE {IMPORTED})")  # noqa: S608
    if last is None or last[0] == "running":
        return ["a cycle was interrupted" if last else "the first cycle"]
    if not workspace.config.data.pool and not waiting(workspace):
        return []
    if not (how.low_scores or how.max_age_hours or how.drift):
        return ["the schedule"]
    hours = (utc_now() - last[1]).total_seconds() / 3600
    found = [f"the last cycle ended {hours:.1f} hours ago"] if 0 < how.max_age_hours <= hours else []
    return found + _by_score(workspace, before, now, looks)


def _by_score(workspace: Workspace, before: list[float], now: list[float], looks: float) -> list[str]:
    how, threshold = workspace.config.schedule, workspace.config.judge.threshold
    low = sum(score < threshold for score in now)
    found = [f"{low} new low scores"] if 0 < how.low_scores <= low else []
    if how.drift and has_fallen(before, now, looks):
        was, is_ = sum(before) / len(before), sum(now) / len(now)
        found.append(f"the mean score fell from {was:.3f} to {is_:.3f}")
    return found


def _scores(connection: duckdb.DuckDBPyConnection, which: str) -> list[float]:
    """Scores of imported traces by the judge that judged one last, the oldest trace first."""
    judge = f"SELECT v.judge FROM verdicts v JOIN traces t ON t.id = v.trace WHERE {IMPORTED}"  # noqa: S608
    sql = (
        f"SELECT v.score FROM verdicts v JOIN traces t ON t.id = v.trace WHERE {IMPORTED} AND v.repeat = 0"  # noqa: S608
        f" AND v.score IS NOT NULL AND v.judge = ({judge} ORDER BY v.time DESC NULLS LAST, v.judge LIMIT 1)"
        f" AND {which} ORDER BY t.time, t.id"
    )
    return [row[0] for row in connection.execute(sql).fetchall()]
