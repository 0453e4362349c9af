"""What one snapshot has that another has not, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.rows import canonical, split_answer
from curation.snapshot import read_table
from curation.split import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GONE = "not among the rows of the newer one"


class Difference(NamedTuple):
    """How snapshot B differs from A.

    Attributes:
        added: Rows of B alone (schema ROWS and `split`) whose prompt is new.
        removed: Rows of A alone (schema ROWS, `split`, `reason` and `detail`) whose prompt is gone.
        changed: Rows of A alone whose prompt has another answer in B (`id`, `id_new`, `messages`,
            `messages_new`, `split`, `split_new`).
        moved: Rows of both in another split (`id`, `split`, `split_new`).
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    moved: pl.DataFrame


def diff(a: Path, b: Path) -> Difference:
    """Compare two snapshots row by row; only the rows that differ are read whole.

    Args:
        a: Folder of the older one.
        b: Folder of the newer one.

    Raises:
        UserError: A file of them is missing or damaged.
    """
    old, new = _ids(a), _ids(b)
    gone = _with_prompt(_rows(a, old.join(new, on="id", how="anti")))
    come = _with_prompt(_rows(b, new.join(old, on="id", how="anti")))
    changed = gone.join(come, on="prompt", suffix="_new").unique("id", keep="first", maintain_order=True)
    pairs = changed.select("id", "id_new", "messages", "messages_new", "split", "split_new")
    reasons = read_table(b, "drops").unique("row_id", keep="first", maintain_order=True)
    why = reasons.select("row_id", "reason", "detail")
    removed = gone.join(changed, on="id", how="anti").join(why, left_on="id", right_on="row_id", how="left")
    both = old.join(new, on="id", suffix="_new")
    return Difference(
        come.join(changed, left_on="id", right_on="id_new", how="anti").drop("prompt"),
        removed.with_columns(pl.col("reason").fill_null(GONE)).drop("prompt"),
        pairs,
        both.filter(pl.col("split") != pl.col("split_new")),
    )


def counts(rows: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Rows by source, by tag (a row with two counts for both), and by reason where they have one.

    All traces count as one source.
    """
    tags = Counter(tag for row in rows["tags"].to_list() for tag in row)
    sources = rows["source"].str.replace("^trace:.*$", "trace").to_list()
    found = {"source": Counter(sources), "tag": tags}
    if "reason" in rows.columns:
        found["reason"] = Counter(rows["reason"].to_list())
    return {name: dict(counter.most_common()) for name, counter in found.items()}


def _ids(folder: Path) -> pl.DataFrame:
    parts = [read_table(folder, split, ["id"]).with_columns(split=pl.lit(split)) for split in SPLITS]
    return pl.concat(parts)


def _rows(folder: Path, chosen: pl.DataFrame) -> pl.DataFrame:
    """The chosen rows (id, split) with all their columns."""
    parts = [read_table(folder, split).with_columns(split=pl.lit(split)) for split in _splits(chosen)]
    rows = pl.concat(parts) if parts else read_table(folder, SPLITS[0]).with_columns(split=pl.lit("")).clear()
    return rows.join(chosen, on="id", how="semi")


def _splits(chosen: pl.DataFrame) -> Sequence[str]:
    return [split for split in SPLITS if split in set(chosen["split"])]


def _with_prompt(rows: pl.DataFrame) -> pl.DataFrame:
    prompts = [canonical(split_answer(messages)[0]) for messages in rows["messages"].to_list()]
    return rows.with_columns(prompt=pl.Series(prompts, dtype=pl.String))
