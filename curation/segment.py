"""Some layers of a snapshot, indexed: whose prompts are alike, and who is whose parent, child and family."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.kept_index import Unfit
from curation.near.growth import Watched, extended, watch
from curation.near.pipeline import cut, of_rows
from curation.near.postings import Postings, postings_of
from curation.near.prefixes import classes
from curation.near.residue import without
from curation.rows import ROWS
from curation.strata import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

ID, FAMILY, PARENT = 1, 2, 3
"""Seeds of hashes, so that a name is another key as an id, a family and a parent."""


class Segment(NamedTuple):
    """Rows of some layers, and what finds them.

    Attributes:
        take: Gives rows by number, which ascend (schema ROWS).
        split: Number of each row's split (rows,), int8.
        layer: Number of its layer (rows,), int32.
        ids: The key that its children have (rows,), uint64.
        keys: Hashes of ids, of families (at one of their rows) and of parents, ascending (keys,), uint64.
        keyed: The row of each key (keys,).
        postings: By which shingles the prompts are found.
        order: See `curation.near.prefixes.classes`.
        watched: Shingles of the rows of this and all earlier segments that are shared text, or may become it.
    """

    take: Callable[[NDArray[np.int64]], pl.DataFrame]
    split: NDArray[np.int8]
    layer: NDArray[np.int32]
    ids: NDArray[np.uint64]
    keys: NDArray[np.uint64]
    keyed: NDArray[np.int64]
    postings: Postings
    order: NDArray[np.uint8]
    watched: Watched

    def having(self, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The rows with one of these keys (rows found,), ascending."""
        asked = np.unique(keys)
        low, high = (np.searchsorted(self.keys, asked, side) for side in ("left", "right"))
        ranges = map(np.arange, low[low < high], high[low < high])
        return np.unique(self.keyed[np.concatenate([np.empty(0, np.int64), *ranges])])


def index_rows(rows: pl.DataFrame, threshold: float, before: Segment | None = None) -> Segment:
    """Index rows that come behind those of another segment, or the first ones.

    Args:
        rows: Rows with schema ROWS and columns `split` and `layer`.
        threshold: Smallest similarity of prompts that is found.
        before: The last segment so far.

    Raises:
        Unfit: With these rows other text is shared.
    """
    blocks, read = of_rows(rows["messages"], "prompt")
    raw = cut(blocks, read, shared=False)
    if before is None:
        watched, order = watch(raw.sets, raw.counts, read), classes(raw.counts)
    else:
        both, order = extended(before.watched, raw.sets, read), before.order
        if both is None:
            raise Unfit("other text is shared now")
        watched = both
    postings = postings_of(without(raw.sets, watched.shared(), read), order, threshold)
    numbers = {name: number for number, name in enumerate(SPLITS)}
    split = rows["split"].replace_strict(numbers, return_dtype=pl.Int8).to_numpy()
    ids, keys = _hashed(rows["id"], PARENT), _keys(rows)
    take = rows.select(ROWS.names()).__getitem__
    return Segment(take, split, rows["layer"].to_numpy(), ids, *keys, postings, order, watched)


def _keys(rows: pl.DataFrame) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    numbered = rows.select("id", "family", "parents", at=pl.int_range(pl.len(), dtype=pl.Int64))
    family = numbered.drop_nulls("family").unique("family", keep="first")
    parents = numbered.filter(pl.col("parents").list.len() > 0).explode("parents")
    kinds = ((numbered, "id", ID), (family, "family", FAMILY), (parents, "parents", PARENT))
    keys = np.concatenate([_hashed(table[name], seed) for table, name, seed in kinds])
    keyed = np.concatenate([table["at"].to_numpy() for table, _, _ in kinds])
    order = np.argsort(keys, kind="stable")
    return keys[order], keyed[order]


def keys_of(new: pl.DataFrame, ids: Sequence[str]) -> NDArray[np.uint64]:
    """The keys of old rows that are new ones, their parents, of their families, or have one of these ids."""
    parents, named = new["parents"].explode().drop_nulls(), pl.Series(ids, dtype=pl.String)
    wanted = pl.concat([parents, new["id"].rename("parents"), named.rename("parents")])
    return np.concatenate([_hashed(wanted, ID), _hashed(new["family"].drop_nulls(), FAMILY)])


def taken_rows(part: Segment, numbers: NDArray[np.int64]) -> pl.DataFrame:
    """Rows of a segment by number, which ascend: schema ROWS, `split` and the number of the `layer`."""
    names = pl.Series("split", SPLITS).gather(part.split[numbers])
    return part.take(numbers).with_columns(split=names, layer=pl.Series(part.layer[numbers]))


def _hashed(names: pl.Series, seed: int) -> NDArray[np.uint64]:
    hashes: NDArray[np.uint64] = names.hash(seed).to_numpy()
    return hashes
