"""The shingles by which old texts are found, kept in order, so that new texts find whom they may be like."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.compiled import compiled, over
from curation.near.filters import pass_by_bitmap, pass_by_place, profiles_of
from curation.near.prefixes import PARTS, Entries, prefixes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from curation.near.shingling import Sets


class Postings(NamedTuple):
    """Who is found by which shingle, part by part in the order of the keys.

    Attributes:
        keys: See `curation.near.prefixes.Entries` (entries,).
        texts: Whose it is (entries,), int32.
        places: Its place in the order of that text's shingles (entries,), int32.
        parts: Where each part begins (PARTS + 1,).
        sizes: Shingles of each text (texts,), int32.
        bitmaps: A bit for each shingle of a text (texts, BITMAP), uint64.
    """

    keys: NDArray[np.uint64]
    texts: NDArray[np.int32]
    places: NDArray[np.int32]
    parts: NDArray[np.int64]
    sizes: NDArray[np.int32]
    bitmaps: NDArray[np.uint64]


def postings_of(
    sets: Sequence[Sets], order: NDArray[np.uint8], threshold: float, threads: int | None = None
) -> Postings:
    """Put the entries of texts in order.

    Args:
        sets: Their shingle sets without shared text, block by block.
        order: See `curation.near.prefixes.classes`.
        threshold: Smallest similarity that must be found.
        threads: At most so many; all there are unless given.
    """
    first = np.cumsum([0, *(len(part.starts) - 1 for part in sets)])

    def work(block: int) -> Entries:
        return prefixes(sets[block], first[block], order, threshold)

    entries = list(over(work, range(len(sets)), threads))
    parts = list(over(lambda part: _in_order(entries, part), range(PARTS), threads))
    keys, texts, places = (np.concatenate([p[side] for p in parts]) for side in range(3))
    starts = np.concatenate(([0], np.cumsum([len(p[0]) for p in parts])))
    return Postings(keys, texts, places, starts, *profiles_of(sets, threads))


def _in_order(
    entries: Sequence[Entries], part: int
) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int32]]:
    slices = [slice(e.parts[part], e.parts[part + 1]) for e in entries]
    keys = np.concatenate([e.keys[s] for e, s in zip(entries, slices, strict=True)])
    texts = np.concatenate([e.texts[s] for e, s in zip(entries, slices, strict=True)])
    places = np.concatenate([e.places[s] for e, s in zip(entries, slices, strict=True)])
    order = np.argsort(keys, kind="stable")
    return keys[order], texts[order], places[order]


def within_reach(old: Postings, new: Postings, threshold: float) -> NDArray[np.bool_]:
    """Which old texts may be similar to a new one (old texts,): all that are, and few others."""
    found = np.zeros(len(old.sizes), np.bool_)
    for part in range(PARTS):
        here, there = (slice(of.parts[part], of.parts[part + 1]) for of in (old, new))
        low = np.searchsorted(old.keys[here], new.keys[there], "left") + here.start
        high = np.searchsorted(old.keys[here], new.keys[there], "right") + here.start
        _mark(old, new, there.start, low, high, threshold, found)
    return found


@compiled
def _mark(
    old: Postings,
    new: Postings,
    first: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    threshold: float,
    found: NDArray[np.bool_],
) -> None:
    for e in range(len(low)):
        text, place = new.texts[first + e], new.places[first + e]
        for at in range(low[e], high[e]):
            other = old.texts[at]
            size, bits = new.sizes[text], new.bitmaps[text]
            found[other] = found[other] or (
                pass_by_place(size, place, old.sizes[other], old.places[at], threshold)
                and pass_by_bitmap(size, bits, old.sizes[other], old.bitmaps[other], threshold)
            )
