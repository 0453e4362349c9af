"""The layers of a new snapshot: those of its parent without a copy, and its own."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import polars as pl

from curation.stored import GONE, part, parts
from curation.strata import SPLITS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curation.manifest import Manifest

ROW_GROUP = 20_000


def inherit(folder: Path, parent: Path, manifest: Manifest) -> dict[str, str]:
    """Put the parent's layers under the same names, without a copy where the file system can do that.

    Args:
        folder: The new snapshot.
        parent: The parent's folder.
        manifest: Its manifest.

    Returns:
        The names, with the hashes that the parent has for them.
    """
    names = [name for layer in range(len(manifest.layers)) for name in parts(layer)]
    for name in names:
        try:
            os.link(parent / name, folder / name)
        except OSError:
            shutil.copyfile(parent / name, folder / name)
    return {name: manifest.files[name] for name in names}


def write_layer(folder: Path, layer: int, rows: pl.DataFrame, gone: Sequence[str]) -> None:
    """Write the rows that come, and the ids of those that go.

    Args:
        folder: The snapshot.
        layer: Its own layer.
        rows: Rows with schema ROWS and a column `split`.
        gone: Ids of older rows.
    """
    for name in SPLITS:
        chosen = rows.filter(split=name).drop("split")
        chosen.write_parquet(folder / part(name, layer), row_group_size=ROW_GROUP)
    if layer:
        ids = pl.DataFrame({"id": gone}, schema={"id": pl.String})
        ids.write_parquet(folder / part(GONE, layer))
