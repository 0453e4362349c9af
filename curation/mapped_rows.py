"""Rows in a file that is mapped into memory: some of them are taken without reading the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from curation.rows import ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

BATCH = 1 << 16


def write_mapped(rows: pl.DataFrame, path: Path) -> None:
    """Write rows (schema ROWS) as Arrow's plain lists and strings."""
    oldest = pl.CompatLevel.oldest()
    rows.write_ipc(path, compression="uncompressed", compat_level=oldest, record_batch_size=BATCH)


def map_rows(path: Path) -> Callable[[NDArray[np.int64]], pl.DataFrame]:
    """Rows of a file that `write_mapped` wrote, by numbers that ascend."""
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = [file.get_batch(i) for i in range(file.num_record_batches)]
    edges = np.cumsum([0, *map(len, batches)])

    def take(numbers: NDArray[np.int64]) -> pl.DataFrame:
        cuts = np.searchsorted(numbers, edges)
        chosen = (numbers[a:b] - first for a, b, first in zip(cuts[:-1], cuts[1:], edges, strict=False))
        parts = [batch.take(pa.array(own)) for batch, own in zip(batches, chosen, strict=True)]
        return pl.DataFrame(pa.Table.from_batches(parts, file.schema), schema=ROWS)

    return take
