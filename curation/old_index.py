"""An index of the rows of a snapshot, beside it, in segments: each growth adds one of the rows that came.

A segment is of some layers, which never change, so it is right as long as it is whole. All segments of an
index have the order of shingles and the shared text of the first one. It is a cache: rebuilt when in doubt.
"""

from __future__ import annotations

import contextlib
import shutil
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.arrays import Arrays, Place, file_sum, map_arrays, write_arrays
from curation.errors import UserError
from curation.files import new_folder
from curation.manifest import decode
from curation.mapped_rows import map_rows, write_mapped
from curation.near.growth import Watched, extended, watch
from curation.near.pipeline import cut, of_rows
from curation.near.postings import Postings, postings_of
from curation.near.prefixes import classes
from curation.near.residue import without
from curation.rows import ROWS
from curation.stored import read_layer
from curation.strata import SPLITS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
ABOUT, ARRAYS, MAPPED = "about.json", "arrays.bin", "rows.arrow"
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


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a segment is of.

    Attributes:
        layers: Ids of its layers.
        base: Id of the last layer of the first segment.
        threshold: Smallest similarity that it finds.
        rows: How many it has.
        versions: Version of this layout, and of polars, whose hashes are in it.
        places: Where each array stands.
        sums: Sum of each of its files.
    """

    layers: list[str]
    base: str
    threshold: float
    rows: int
    versions: tuple[int, str]
    places: dict[str, Place] = {}
    sums: dict[str, int] = {}


class Opened(NamedTuple):
    """The segments, the oldest first, and why all rows were indexed now; None where only new ones were."""

    segments: list[Segment]
    built: str | None


class _Unfit(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """Why a kept segment is of no use."""


def segment_folder(snapshot: Path, threshold: float) -> Path:
    """Where the segment is kept whose last layer a snapshot wrote."""
    return snapshot.with_name(f".{snapshot.name}.index-{threshold:g}")


def open_index(snapshot: Path, threshold: float) -> Opened:
    """The segments of all layers of a snapshot; what is missing is built, from the rows of its layers alone.

    Args:
        snapshot: The snapshot's folder.
        threshold: Smallest similarity of prompts that is found.

    Raises:
        UserError: A file of the snapshot is missing or damaged.
    """
    layers = decode(snapshot).layers
    try:
        kept = _kept(snapshot, layers, threshold)
    except _Unfit as reason:
        return Opened([_built(snapshot, 0, [], threshold)], str(reason))
    first = sum(len(about.layers) for about, _ in kept)
    rows = sum(read_layer(snapshot, n, columns=["id"]).height for n in range(first, len(layers)))
    while first < len(layers) and kept and kept[-1][0].rows <= rows:  # so there are few, of falling size
        about, _ = kept.pop()
        first, rows = first - len(about.layers), rows + about.rows
    segments = [segment for _, segment in kept]
    if not segments:
        return Opened([_built(snapshot, 0, [], threshold)], "it has grown to twice its size")
    if first < len(layers):
        try:
            segments.append(_built(snapshot, first, kept, threshold))
        except _Unfit as reason:
            return Opened([_built(snapshot, 0, [], threshold)], str(reason))
    return Opened(segments, None)


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


def _built(snapshot: Path, first: int, before: Sequence[tuple[About, Segment]], threshold: float) -> Segment:
    """Index the layers from this one on, and keep what was made."""
    layers = decode(snapshot).layers
    frames = [
        read_layer(snapshot, n).with_columns(layer=pl.lit(n, pl.Int32)) for n in range(first, len(layers))
    ]
    rows = pl.concat(frames)
    segment = index_rows(rows, threshold, before[-1][1] if before else None)
    base = before[0][0].base if before else layers[-1]
    about = About(layers[first:], base, threshold, rows.height, _versions())
    with contextlib.suppress(UserError):  # what cannot be kept is built again the next time
        _save(snapshot, about, segment, rows.select(ROWS.names()))
    return segment


def index_rows(rows: pl.DataFrame, threshold: float, before: Segment | None = None) -> Segment:
    """Index rows that come behind those of another segment, or the first ones.

    Args:
        rows: Rows with schema ROWS and columns `split` and `layer`.
        threshold: Smallest similarity of prompts that is found.
        before: The last segment so far.
    """
    blocks, read = of_rows(rows["messages"], "prompt")
    raw = cut(blocks, read, shared=False)
    if before is None:
        watched, order = watch(raw.sets, raw.counts, read), classes(raw.counts)
    else:
        both, order = extended(before.watched, raw.sets, read), before.order
        if both is None:
            raise _Unfit("other text is shared now")
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


def _kept(snapshot: Path, layers: list[str], threshold: float) -> list[tuple[About, Segment]]:
    """The kept segments, the oldest first; the newest layers may be in none."""
    folders = [segment_folder(snapshot.with_name(name), threshold) for name in layers]
    end = next((n for n in range(len(layers), 0, -1) if folders[n - 1].exists()), 0)
    if not end:
        raise _Unfit("there was no index yet")
    abouts: list[About] = []
    while end:
        abouts.insert(0, _about(folders[end - 1], layers[:end]))
        end -= len(abouts[0].layers)
    if {about.base for about in abouts} != {abouts[0].layers[-1]}:
        raise _Unfit("its parts do not fit each other")
    parts: list[tuple[About, Segment]] = []
    for about in abouts:
        folder = segment_folder(snapshot.with_name(about.layers[-1]), threshold)
        parts.append((about, _loaded(folder, about, parts[0][1].order if parts else None)))
    return parts


def _about(folder: Path, layers: list[str]) -> About:
    """What a segment says that it is, if it is of the last of these layers."""
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
        sums = {name: file_sum(folder / name) for name in (ARRAYS, MAPPED)}
    except (OSError, ValueError, msgspec.MsgspecError) as fault:
        raise _Unfit("it was damaged") from fault
    if about.versions != _versions():
        raise _Unfit("another version of this program built it")
    if not about.layers or about.layers != layers[-len(about.layers) :] or about.sums != sums:
        raise _Unfit("it was damaged")
    return about


def _loaded(folder: Path, about: About, order: NDArray[np.uint8] | None) -> Segment:
    try:
        arrays = map_arrays(folder / ARRAYS, about.places)
        single = {name: array for name, array in arrays.items() if "." not in name}
        if order is not None:
            single["order"] = order
        postings = Postings(*(arrays[f"postings.{field}"] for field in Postings._fields))  # type: ignore[arg-type]
        watched = Watched(*(arrays[f"watched.{field}"] for field in Watched._fields))  # type: ignore[arg-type]
        take = map_rows(folder / MAPPED)
        return Segment(take=take, postings=postings, watched=watched, **single)  # type: ignore[arg-type]
    except (OSError, KeyError, ValueError, TypeError) as fault:
        raise _Unfit("it was damaged") from fault


def _save(snapshot: Path, about: About, segment: Segment, rows: pl.DataFrame) -> None:
    arrays: Arrays = {
        name: value for name, value in segment._asdict().items() if isinstance(value, np.ndarray)
    }
    if about.base != about.layers[-1]:
        del arrays["order"]  # that of the first segment
    for name in ("postings", "watched"):
        arrays |= {f"{name}.{field}": array for field, array in getattr(segment, name)._asdict().items()}
    for name in about.layers:  # whatever it takes the place of
        shutil.rmtree(segment_folder(snapshot.with_name(name), about.threshold), ignore_errors=True)
    with new_folder(segment_folder(snapshot, about.threshold)) as folder:
        places = write_arrays(arrays, folder / ARRAYS)
        write_mapped(rows, folder / MAPPED)
        sums = {name: file_sum(folder / name) for name in (ARRAYS, MAPPED)}
        about = msgspec.structs.replace(about, places=places, sums=sums)
        (folder / ABOUT).write_bytes(msgspec.json.encode(about))


def _versions() -> tuple[int, str]:
    return FORMAT, pl.__version__
