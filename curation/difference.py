"""What one snapshot has that another has not, and why."""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.manifest import chain
from curation.rows import canonical, drop_frame, split_answer
from curation.stored import read_rows, read_table

if TYPE_CHECKING:
    from pathlib import Path

GONE = "no longer among the rows that were given"


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
    old, new = (read_rows(folder, columns=["id"]).unique("id", maintain_order=True) for folder in (a, b))
    gone = _with_prompt(a, old.join(new, on="id", how="anti"))
    come = _with_prompt(b, new.join(old, on="id", how="anti"))
    changed = gone.join(come, on="prompt", suffix="_new").unique("id", keep="first", maintain_order=True)
    pairs = changed.select("id", "id_new", "messages", "messages_new", "split", "split_new")
    removed = gone.join(changed, on="id", how="anti")
    removed = removed.join(_reasons(a, b), left_on="id", right_on="row_id", how="left")
    both = old.join(new, on="id", suffix="_new")
    return Difference(
        come.join(changed, left_on="id", right_on="id_new", how="anti").drop("prompt"),
        removed.with_columns(pl.col("reason").fill_null(GONE)).drop("prompt"),
        pairs,
        both.filter(pl.col("split") != pl.col("split_new")),
    )


def _reasons(a: Path, b: Path) -> pl.DataFrame:
    """Why rows went on the way to the newer one: row, reason and detail, what was said last first."""
    way = takewhile(lambda manifest: manifest.id != a.name, chain(b))
    drops = [read_table(b.parent / manifest.id, "drops") for manifest in way]
    told = pl.concat([drop_frame([]), *drops]).select("row_id", "reason", "detail")
    return told.unique("row_id", keep="first", maintain_order=True)


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


def _with_prompt(folder: Path, chosen: pl.DataFrame) -> pl.DataFrame:
    """The chosen rows, whole, with their prompts in canonical form."""
    rows = read_rows(folder, chosen=chosen["id"])
    prompts = [canonical(split_answer(messages)[0]) for messages in rows["messages"].to_list()]
    return rows.with_columns(prompt=pl.Series(prompts, dtype=pl.String))
