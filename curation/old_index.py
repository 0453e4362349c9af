"""An index of the rows of a snapshot, in segments: each growth adds one of the rows that came.

A segment is of some layers, which never change, so it is right as long as it is whole. All segments of an
index have the order of shingles and the shared text of the first one. It is a cache: rebuilt when in doubt.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from curation.errors import UserError
from curation.kept_index import Unfit
from curation.manifest import decode
from curation.rows import ROWS
from curation.segment import Segment, index_rows
from curation.segment_files import About, kept_of, load, save, segment_folder, versions
from curation.stored import numbered_rows, read_layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from curation.kept_index import Kept


class Opened(NamedTuple):
    """The segments, the oldest first, and why all rows were indexed now; None where only new ones were."""

    segments: list[Segment]
    built: str | None


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
        return _opened(snapshot, layers, kept, threshold)
    except Unfit as reason:
        return Opened([_built(snapshot, 0, [], threshold)], str(reason))


def _opened(snapshot: Path, layers: list[str], kept: list[tuple[About, Segment]], threshold: float) -> Opened:
    """The kept segments, and one of the layers that came; small ones go into it, so that there are few."""
    first = sum(len(about.layers) for about, _ in kept)
    rows = sum(read_layer(snapshot, n, columns=["id"]).height for n in range(first, len(layers)))
    while first < len(layers) and kept and kept[-1][0].rows <= rows:
        about, _ = kept.pop()
        first, rows = first - len(about.layers), rows + about.rows
    if not kept:
        raise Unfit("it has grown to twice its size")
    segments = [segment for _, segment in kept]
    new = [_built(snapshot, first, kept, threshold)] if first < len(layers) else []
    return Opened(segments + new, None)


def _kept(snapshot: Path, layers: list[str], threshold: float) -> list[tuple[About, Segment]]:
    """The kept segments, the oldest first; the newest layers may be in none."""
    folders = [segment_folder(snapshot.with_name(name), threshold) for name in layers]
    end = next((n for n in range(len(layers), 0, -1) if folders[n - 1].exists()), 0)
    if not end:
        raise Unfit("there was no index yet")
    found: list[Kept[About]] = []
    while end:
        found.insert(0, kept_of(folders[end - 1], layers[:end]))
        end -= len(found[0].about.layers)
    if {kept.about.base for kept in found} != {found[0].about.layers[-1]}:
        raise Unfit("its parts do not fit each other")
    parts: list[tuple[About, Segment]] = []
    for kept in found:
        parts.append((kept.about, load(kept, parts[0][1].order if parts else None)))
    return parts


def _built(snapshot: Path, first: int, before: Sequence[tuple[About, Segment]], threshold: float) -> Segment:
    """Index the layers from this one on, and keep what was made."""
    layers = decode(snapshot).layers
    rows = numbered_rows(snapshot, first)
    segment = index_rows(rows, threshold, before[-1][1] if before else None)
    base = before[0][0].base if before else layers[-1]
    about = About(layers[first:], base, threshold, rows.height, versions())
    with contextlib.suppress(UserError):  # what cannot be kept is built again the next time
        save(snapshot, about, segment, rows.select(ROWS.names()))
    return segment
