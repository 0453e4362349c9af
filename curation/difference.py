"""What one snapshot has that another has not, and why."""

from __future__ import annotations

from collections import Counter
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.identity import SAID, said_otherwise
from curation.manifest import chain, missing_parent
from curation.rows import canonical, drop_frame, frame, split_answer
from curation.stored import read_rows, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from curation.manifest import Manifest

GONE = "no longer among the rows that were given"


class Difference(NamedTuple):
    """How snapshot B differs from A.

    Attributes:
        added: Rows of B alone (schema ROWS and `split`) whose prompt is new.
        removed: Rows of A alone (schema ROWS, `split`, `reason` and `detail`) whose prompt is gone.
        changed: Rows of A alone whose prompt has another answer in B (`id`, `id_new`, `messages`,
            `messages_new`, `split`, `split_new`).
        edited: Rows of both whose other fields have changed: tags, parents, a licence (`id`, `split`, and
            `says` and `says_new`, a line of JSON for each copy of the row).
        moved: Rows of both in another split (`id`, `split`, `split_new`).
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame
    edited: pl.DataFrame
    moved: pl.DataFrame


def diff(a: Path, b: Path) -> Difference:
    """Compare two snapshots row by row; only the rows that differ are read whole.

    Args:
        a: Folder of the older one.
        b: Folder of the newer one.

    Raises:
        UserError: A file of them is missing or damaged.
    """
    all_old, all_new = (_told(folder) for folder in (a, b))
    old, new = _once(all_old), _once(all_new)
    met = old.join(new, on="id", how="full", suffix="_new")
    gone = _with_prompt(a, met.filter(pl.col("id_new").is_null())["id"])
    come = _with_prompt(b, met.filter(pl.col("id").is_null())["id_new"])
    both = met.filter(pl.col("id").is_not_null(), pl.col("id_new").is_not_null())
    changed = gone.join(come, on="prompt", suffix="_new").unique("id", keep="first", maintain_order=True)
    pairs = changed.select("id", "id_new", "messages", "messages_new", "split", "split_new")
    removed = gone.join(changed, on="id", how="anti")
    removed = removed.join(_reasons(a, b), left_on="id", right_on="row_id", how="left")
    copies = (old.height, new.height) != (all_old.height, all_new.height)
    other = (
        _otherwise(all_old, all_new) if copies else both.filter(pl.col("told") != pl.col("told_new"))["id"]
    )
    return Difference(
        come.join(changed, left_on="id", right_on="id_new", how="anti").drop("prompt"),
        removed.with_columns(pl.col("reason").fill_null(_untold(a, b))).drop("prompt"),
        pairs,
        _edited(a, b, other, old),
        both.filter(pl.col("split") != pl.col("split_new")).select("id", "split", "split_new"),
    )


def _told(folder: Path) -> pl.DataFrame:
    """Rows of a snapshot with a hash of what is said of each."""
    rows = read_rows(folder, columns=("id", *SAID))
    return rows.select("id", "split", told=pl.struct(*SAID).hash())


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """The first row of each id."""
    if rows["id"].n_unique() == rows.height:
        return rows
    return rows.unique("id", keep="first", maintain_order=True)


def _otherwise(old: pl.DataFrame, new: pl.DataFrame) -> pl.Series:
    """Ids of rows of which, copy by copy, other things are said."""
    key = ["id", "told"]
    return pl.concat([old.join(new, on=key, how="anti"), new.join(old, on=key, how="anti")])["id"].unique()


def _edited(a: Path, b: Path, ids: pl.Series, old: pl.DataFrame) -> pl.DataFrame:
    """Rows of both of which other things are said; only these are read."""
    none = frame([])
    was, now = (read_rows(f, columns=("id", *SAID), chosen=ids) if len(ids) else none for f in (a, b))
    return said_otherwise(was, now).join(old.select("id", "split"), on="id", maintain_order="left")


def _reasons(a: Path, b: Path) -> pl.DataFrame:
    """Why rows went on the way to the newer one: row, reason and detail, what was said last first."""
    drops = [read_table(b.parent / manifest.id, "drops") for manifest in _way(a, b)]
    told = pl.concat([drop_frame([]), *drops]).select("row_id", "reason", "detail")
    return told.unique("row_id", keep="first", maintain_order=True)


def _way(a: Path, b: Path) -> list[Manifest]:
    return list(takewhile(lambda manifest: manifest.id != a.name, chain(b)))


def _untold(a: Path, b: Path) -> str:
    """What is said of a row that went without a reason: the one that had it may be gone itself."""
    last = _way(a, b)[-1:]
    lost = missing_parent(b, last[0]) if last and last[0].parent != a.name else None
    return f"not known: snapshot {lost} is not there any more" if lost else GONE


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


def _with_prompt(folder: Path, chosen: pl.Series) -> pl.DataFrame:
    """The chosen rows, whole, with their prompts in canonical form."""
    rows = read_rows(folder, chosen=chosen)
    prompts = [canonical(split_answer(messages)[0]) for messages in rows["messages"].to_list()]
    return rows.with_columns(prompt=pl.Series(prompts, dtype=pl.String))
