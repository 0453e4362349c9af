"""The rows of a snapshot as they lie on disk: layers of files, each of which adds rows and takes some away.

A snapshot that grew shares the files of its parent and adds a layer of its own, so that growing costs as much
as the rows that are new. Every file is in the snapshot's own folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from curation.errors import UserError
from curation.manifest import RESTORE, decode
from curation.rows import ROWS
from curation.strata import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

GONE = "gone"


def part(name: str, layer: int) -> str:
    """The file of a split, or of the ids that are `gone`, in a layer."""
    return f"{name}-{layer}.parquet" if layer else f"{name}.parquet"


def parts(layer: int) -> list[str]:
    """The files of a layer; the first has nothing to take away."""
    return [part(name, layer) for name in (*SPLITS, *([GONE] if layer else []))]


NOBODY = pl.DataFrame(schema={"id": pl.String})


def read_rows(
    folder: Path,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    chosen: pl.Series | None = None,
) -> pl.DataFrame:
    """Rows of a snapshot with a column `split`.

    Args:
        folder: The snapshot's folder.
        split: One split; all of them unless given.
        columns: Those of ROWS that are wanted; all of them unless given.
        chosen: Ids of the rows that are wanted; all of them unless given.

    Raises:
        UserError: A file is missing or damaged.
    """
    gone = gone_ids(folder)
    found: list[pl.DataFrame] = []
    for layer in range(decode(folder).own + 1):
        rows, later = (
            read_layer(folder, layer, split, columns, chosen=chosen),
            gone.filter(pl.col("layer") > layer),
        )
        found.append(rows.join(later, on="id", how="anti", maintain_order="left") if later.height else rows)
    return pl.concat(found).select(*(columns or ROWS.names()), "split")


def read_layer(
    folder: Path,
    layer: int,
    split: str | None = None,
    columns: Sequence[str] | None = None,
    *,
    chosen: pl.Series | None = None,
) -> pl.DataFrame:
    """The rows of a layer, those among them that a later one takes away; otherwise as `read_rows`."""
    wanted = list(dict.fromkeys(["id", *(columns or ROWS.names())]))
    frames = []
    for name in [split] if split else SPLITS:
        rows = read_parquet(folder / part(name, layer), wanted, chosen)
        frames.append(rows.select(wanted).with_columns(split=pl.lit(name)))
    return pl.concat(frames)


def numbered_rows(folder: Path, first: int = 0) -> pl.DataFrame:
    """The rows of the layers from one on, with their `layer`; also those that a later one takes away."""
    layers = range(first, decode(folder).own + 1)
    return pl.concat([read_layer(folder, n).with_columns(layer=pl.lit(n, pl.Int32)) for n in layers])


def gone_ids(folder: Path) -> pl.DataFrame:
    """Ids of rows that went (`id`), and the number of the `layer` that took each away."""
    none = NOBODY.with_columns(layer=pl.lit(0, pl.Int32))
    layers = range(1, decode(folder).own + 1)
    found = [read_parquet(folder / part(GONE, n)).with_columns(layer=pl.lit(n, pl.Int32)) for n in layers]
    return pl.concat([none, *found])


def first_rows(folder: Path, count: int) -> pl.DataFrame:
    """Some rows of the first layer (schema ROWS): at random, as rows lie in the order of their ids."""
    return pl.concat(
        [
            pl.scan_parquet(folder / part(name, 0)).head(count).collect().select(ROWS.names())
            for name in SPLITS
        ]
    )


def read_table(folder: Path, name: str) -> pl.DataFrame:
    """Read what a snapshot tells of the way to it: `drops`, `findings` or `conflicts`.

    Raises:
        UserError: The file is missing or damaged.
    """
    return read_parquet(folder / f"{name}.parquet")


def read_parquet(
    path: Path, columns: Sequence[str] | None = None, chosen: pl.Series | None = None
) -> pl.DataFrame:
    """Read a file of a snapshot.

    Args:
        path: The file.
        columns: Those that are wanted.
        chosen: Ids of the rows that are wanted; only their messages are unpacked.

    Raises:
        UserError: It is missing or damaged.
    """
    try:
        if chosen is None:
            return pl.read_parquet(path, columns=list(columns) if columns is not None else None)
        found = pl.scan_parquet(path).filter(pl.col("id").is_in(chosen.implode()))
        return found.collect() if columns is None else found.select(columns).collect()
    except (OSError, pl.exceptions.PolarsError) as fault:
        raise UserError(f"the snapshot is damaged: {fault}", where=str(path), fix=RESTORE) from fault


def own_changes(folder: Path) -> tuple[int, int]:
    """How many rows a snapshot's own layer adds, and how many it takes away."""
    layer = decode(folder).own
    come = sum(read_parquet(folder / part(name, layer), ["id"]).height for name in SPLITS)
    return come, read_parquet(folder / part(GONE, layer)).height if layer else 0
