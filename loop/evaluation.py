"""Evaluation: what a version answers on a held-out set, scored by the set's reference judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.rows import plain, schema, split_answer
from judge.frames import ITEMS, judge_frame
from loop.judging import reference_judge
from loop.models import answer, load_version, setup
from loop.spool import Memory

if TYPE_CHECKING:
    import duckdb

    from curation.heldout import HeldoutSet
    from loop.config import Heldout
    from loop.progress import Progress
    from loop.workspace import Workspace

EVALUATIONS = schema(
    {
        "model": pl.String,
        "version": pl.Int32,
        "heldout": pl.String,
        "heldout_version": pl.String,
        "item": pl.String,
        "judge": pl.String,
        "setup": pl.String,
        "tags": pl.List(pl.String),
        "output": pl.String,
        "reference": pl.String,
        "state": pl.String,
        "score": pl.Float64,
        "criteria": pl.String,
        "exact": pl.Boolean,
    }
)


class HeldoutScores(NamedTuple):
    """Scores of a version on a set, in the order of the item ids: what the gate pairs."""

    items: list[str]
    scores: list[float | None]
    tags: list[list[str]]


def evaluate(
    workspace: Workspace, version: int, sets: list[tuple[Heldout, HeldoutSet]], progress: Progress
) -> pl.DataFrame:
    """Let a version answer held-out sets, and score the answers.

    Args:
        workspace: Where.
        version: Version of the workspace's model; 0 is the base.
        sets: Configuration and content of each set.
        progress: Told as answers arrive.

    Returns:
        One row an item, with the columns of `EVALUATIONS`. `exact` says that the whole answer
        equals the reference but for white space at its ends.
    """
    loaded, how = load_version(workspace, version), setup(workspace)
    parts = []
    for held, frozen in sets:
        conversations = frozen.items["messages"].to_list()
        given = answer(workspace, loaded, conversations, progress, f"v{version} on {held.name}")
        asked = pl.DataFrame(
            {
                "id": frozen.items["id"],
                "messages": [plain(split_answer(m)[0]) for m in conversations],
                "output": [one.text for one in given],
                "reference": [split_answer(m)[1] for m in conversations],
            },
            schema=ITEMS,
        )
        judge = reference_judge(workspace.path(held.rubric))
        scored = _scored(asked, judge_frame(asked, judge, Memory()).verdicts)
        key = {"model": workspace.config.model, "version": version, "heldout": held.name}
        key |= {"heldout_version": frozen.version, "judge": judge.identity.id, "setup": how}
        named = scored.with_columns(
            frozen.items["tags"], **{name: pl.lit(value) for name, value in key.items()}
        )
        parts.append(named.select(pl.col(name).cast(dtype) for name, dtype in EVALUATIONS.items()))
    return pl.concat(parts) if parts else EVALUATIONS.to_frame()


def _scored(items: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """Items beside their verdicts, and whether an answer is its reference."""
    exact = [o.strip() == r.strip() for o, r in items.select("output", "reference").iter_rows()]
    return items.select(pl.col("id").alias("item"), "output", "reference", pl.Series("exact", exact)).hstack(
        verdicts.select("state", "score", "criteria")
    )


def is_evaluated(
    connection: duckdb.DuckDBPyConnection, model: str, version: int, held: HeldoutSet, judge: str, setup: str
) -> bool:
    """Whether the store has all of a version's scores; takes what `stored_scores` takes."""
    return len(stored_scores(connection, model, version, held, judge, setup).items) == held.items.height


def stored_scores(
    connection: duckdb.DuckDBPyConnection, model: str, version: int, held: HeldoutSet, judge: str, setup: str
) -> HeldoutScores:
    """Scores of a version on a set, from the store.

    Args:
        connection: To the store.
        model: The model's name.
        version: Its version.
        held: The set; only scores on this very version of it count.
        judge: Id of the judge that gave them.
        setup: How the answers were generated, from `loop.models.setup`.
    """
    rows = connection.execute(
        "SELECT item, score, tags FROM evaluations WHERE model = ? AND version = ? AND heldout = ?"
        " AND heldout_version = ? AND judge = ? AND setup = ? ORDER BY item",
        [model, version, held.name, held.version, judge, setup],
    ).fetchall()
    return HeldoutScores([r[0] for r in rows], [r[1] for r in rows], [r[2] or [] for r in rows])
