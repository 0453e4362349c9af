"""A segment on disk, beside the snapshot that wrote its last layer: a cache, believed only if it is whole."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from curation import kept_index
from curation.kept_index import Kept, Unfit, demand_whole, described, mapped
from curation.segment import Segment

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

FORMAT = 2


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a segment is of.

    Attributes:
        layers: Ids of its layers.
        base: Id of the last layer of the first segment.
        threshold: Smallest similarity that it finds.
        rows: How many it has.
        versions: Version of this layout, and of polars, whose hashes are in it.
    """

    layers: list[str]
    base: str
    threshold: float
    rows: int
    versions: tuple[int, str]


def segment_folder(snapshot: Path, threshold: float) -> Path:
    """Where the segment is kept whose last layer a snapshot wrote."""
    return snapshot.with_name(f".{snapshot.name}.index-{threshold:g}")


def forget_segments(snapshots: Path) -> int:
    """Remove all segments in a folder of snapshots, and the copies of rows in them; how many there were."""
    found = list(snapshots.glob(".*.index-*"))
    for folder in found:
        shutil.rmtree(folder)
    return len(found)


def kept_of(folder: Path, layers: list[str]) -> Kept[About]:
    """A segment that is kept, if it is of the last of these layers.

    Raises:
        Unfit: It is another one, or was damaged.
    """
    kept = described(folder, About)
    if kept.about.versions != versions():
        raise Unfit("another version of this program built it")
    own = kept.about.layers
    if not own or own != layers[-len(own) :]:
        raise Unfit("it was damaged")
    demand_whole(kept)
    return kept


def load(kept: Kept[About], order: NDArray[np.uint8] | None) -> Segment:
    """Map a segment into memory; only the first one has the order itself.

    Raises:
        Unfit: It was damaged.
    """
    return mapped(kept, Segment, **({} if order is None else {"order": order}))


def save(snapshot: Path, about: About, segment: Segment, rows: pl.DataFrame) -> None:
    """Keep a segment of these rows (schema ROWS) in the place of those that had its layers.

    Raises:
        UserError: The disk is full, or may not be written to.
    """
    first = about.base == about.layers[-1]
    for name in about.layers:  # whatever it takes the place of
        shutil.rmtree(segment_folder(snapshot.with_name(name), about.threshold), ignore_errors=True)
    folder = segment_folder(snapshot, about.threshold)
    kept_index.save(folder, about, segment, rows, leave_out=() if first else ["order"])


def versions() -> tuple[int, str]:
    """What must be the same when a segment is read."""
    return FORMAT, pl.__version__
