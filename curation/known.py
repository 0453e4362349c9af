"""New rows against old ones for the cost of the new rows: an index of the old ones is kept beside their file.

What a new row meets is what it would meet if all rows were one file, so the result is the same. The fates of
the old rows are known, because no old row goes for a new one. Shared text depends on all rows: where the new
ones change it, all rows are compared anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from curation.children import MADE
from curation.decide import Means, decide
from curation.dedup import Deduped, drop_known
from curation.exact import exact_partners
from curation.ids import Ids
from curation.near.growth import Watched, still_shared, watch
from curation.near.pipeline import cut, of_rows
from curation.near.postings import Postings, postings_of, within_reach
from curation.near.prefixes import classes
from curation.near.residue import without
from curation.near.sameness import signatures
from curation.near.shared import Shared, nothing_shared
from curation.near.templates import Template, templates

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from curation.dedup import How


class Known(NamedTuple):
    """Old rows, and what it takes to find those that new rows are like.

    Attributes:
        take: Gives old rows by number, which ascend (schema ROWS); those that were made come last.
        partner: For each that was not made the row that it goes for, or -1 (rows,).
        made: The numbers of those that were made from others.
        distinct: Those that are no copies of another one, by number, ascending (distinct,).
        signatures: Their hashes, ascending (distinct,).
        signed: The row of each hash (distinct,).
        postings: By which shingles they are found; none where only exact duplicates count.
        order: See `curation.near.prefixes.classes`.
        watched: Shingles that are shared text, or may become it.
    """

    take: Callable[[NDArray[np.int64]], pl.DataFrame]
    partner: NDArray[np.int64]
    made: NDArray[np.int64]
    distinct: NDArray[np.int64]
    signatures: NDArray[np.uint64]
    signed: NDArray[np.int64]
    postings: Postings
    order: NDArray[np.uint8]
    watched: Watched


class Against(NamedTuple):
    """What became of new rows.

    Attributes:
        found: As `curation.dedup.drop_known` finds it.
        partners: The old rows that new ones were compared with: the partners of drops are among them.
        anew: Whether all rows were compared, because the new ones change what text is shared.
    """

    found: Deduped
    partners: pl.DataFrame
    anew: bool


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in the order in which they are indexed: those that were made from others last."""
    return pl.concat([rows.filter(~MADE), rows.filter(MADE)])


def index_rows(rows: pl.DataFrame, how: How, threads: int | None = None) -> Known:
    """Compare old rows with each other, and keep what new rows need.

    Args:
        rows: Rows with schema ROWS.
        how: What counts as a duplicate; not in mode `connected`, where a new row may join two old chains.
        threads: At most so many; all there are unless given.
    """
    everyone, rows = in_order(rows), rows.filter(~MADE)
    found = decide(rows, how, 0, Means(threads))
    hashes = signatures(rows["messages"], threads)[found.left]
    order = np.argsort(hashes, kind="stable")
    compared = found.left if how.near else found.left[:0]
    blocks, read = of_rows(rows["messages"], how.on, compared)
    raw = cut(blocks, read, shared=False, threads=threads)
    watched = watch(raw.sets, raw.counts, read, threads)
    sets, ranks = without(raw.sets, found.shared, read, threads), classes(raw.counts)
    postings = postings_of(sets, ranks, how.threshold, threads)
    signed = found.left[order]
    made = np.arange(rows.height, everyone.height)
    return Known(
        take=everyone.__getitem__,
        partner=found.fates.partner,
        made=made,
        distinct=found.left,
        signatures=hashes[order],
        signed=signed,
        postings=postings,
        order=ranks,
        watched=watched,
    )


def drop_against(known: Known, new: pl.DataFrame, how: How, threads: int | None = None) -> Against:
    """Drop the new rows that duplicate old ones, or each other.

    Args:
        known: The old rows, indexed with the same `how`.
        new: Rows to look at (schema ROWS).
        how: What counts as a duplicate.
        threads: At most so many; all there are unless given.
    """
    asked = new.filter(~MADE)
    equal = _equal(known, asked["messages"], threads)
    near, shared = equal[:0], nothing_shared()
    if how.near and asked.height:
        olds = known.take(equal)
        both = pl.concat([olds, asked])
        partner, _ = exact_partners(both, Ids(both), keep=how.keep, old=len(equal), threads=threads)
        left = np.flatnonzero(partner[len(equal) :] < 0)
        found = _reached(known, asked["messages"], left, how, threads)
        if found is None:
            olds = known.take(np.arange(len(known.partner) + len(known.made)))
            return Against(drop_known(olds, new, how, threads=threads), olds, anew=True)
        near, shared = found
    olds = known.take(_with_partners(known, np.union1d(equal, near)))
    if asked.height < new.height:
        olds = pl.concat([olds, known.take(known.made)])
    done = drop_known(olds, new, how, threads=threads, shared=shared)
    return Against(done._replace(templates=_named(known, shared)), olds, anew=False)


def _equal(known: Known, messages: pl.Series, threads: int | None) -> NDArray[np.int64]:
    """The old rows with the hash of a new one."""
    hashes = np.unique(signatures(messages, threads))
    low, high = (np.searchsorted(known.signatures, hashes, side) for side in ("left", "right"))
    places = np.concatenate([np.empty(0, np.int64), *map(np.arange, low[low < high], high[low < high])])
    return np.unique(known.signed[places])


def _reached(
    known: Known, messages: pl.Series, left: NDArray[np.int64], how: How, threads: int | None
) -> tuple[NDArray[np.int64], Shared] | None:
    """The old rows that new ones may be similar to, and shared text; None where that is another one now."""
    blocks, read = of_rows(messages, how.on, left)
    raw = cut(blocks, read, shared=False, threads=threads).sets
    shared = still_shared(known.watched, raw, read, threads) if how.on == "prompt" else nothing_shared()
    if shared is None:
        return None
    new = postings_of(without(raw, shared, read, threads), known.order, how.threshold, threads)
    return known.distinct[within_reach(known.postings, new, how.threshold)], shared


def _named(known: Known, shared: Shared) -> list[Template]:
    """Shared text by name, from old rows that have it."""
    rows, places = np.unique(known.distinct[shared.examples], return_inverse=True)
    return templates(shared._replace(examples=places), known.take(rows)["messages"], np.arange(len(rows)))


def _with_partners(known: Known, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Old rows with those that they go for, so that they meet the same fate without all the others."""
    while True:
        partners = known.partner[rows]
        more = np.union1d(rows, partners[partners >= 0])
        if len(more) == len(rows):
            return more
        rows = more
