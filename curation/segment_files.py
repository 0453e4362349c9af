"""A segment on disk, beside the snapshot that wrote its last layer: a cache, believed only if it is whole."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import polars as pl

from curation.arrays import Arrays, Place, file_sum, map_arrays, write_arrays
from curation.files import new_folder
from curation.mapped_rows import map_rows, write_mapped
from curation.near.growth import Watched
from curation.near.postings import Postings
from curation.segment import Segment, Unfit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FORMAT = 1
ABOUT, ARRAYS, MAPPED = "about.json", "arrays.bin", "rows.arrow"


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


def segment_folder(snapshot: Path, threshold: float) -> Path:
    """Where the segment is kept whose last layer a snapshot wrote."""
    return snapshot.with_name(f".{snapshot.name}.index-{threshold:g}")


def forget_segments(snapshots: Path) -> int:
    """Remove all segments in a folder of snapshots, and the copies of rows in them; how many there were."""
    found = list(snapshots.glob(".*.index-*"))
    for folder in found:
        shutil.rmtree(folder)
    return len(found)


def about_of(folder: Path, layers: list[str]) -> About:
    """What a segment says that it is, if it is of the last of these layers.

    Raises:
        Unfit: It is another one, or was damaged.
    """
    try:
        about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
        sums = {name: file_sum(folder / name) for name in (ARRAYS, MAPPED)}
    except (OSError, ValueError, msgspec.MsgspecError) as fault:
        raise Unfit("it was damaged") from fault
    if about.versions != versions():
        raise Unfit("another version of this program built it")
    if not about.layers or about.layers != layers[-len(about.layers) :] or about.sums != sums:
        raise Unfit("it was damaged")
    return about


def load(folder: Path, about: About, order: NDArray[np.uint8] | None) -> Segment:
    """Map a segment into memory; only the first one has the order itself.

    Raises:
        Unfit: It was damaged.
    """
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
        raise Unfit("it was damaged") from fault


def save(snapshot: Path, about: About, segment: Segment, rows: pl.DataFrame) -> None:
    """Keep a segment of these rows (schema ROWS) in the place of those that had its layers.

    Raises:
        UserError: The disk is full, or may not be written to.
    """
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


def versions() -> tuple[int, str]:
    """What must be the same when a segment is read."""
    return FORMAT, pl.__version__
