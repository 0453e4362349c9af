"""Rows on their way through the steps, with everything that was found and dropped."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import polars as pl

from curation.dedup import CONFLICTS
from curation.rows import drop_frame
from curation.validate import FINDINGS

SAME = "same"
"""A note of the step `grow`: rows that go no further, because the parent has them as they are."""


class Tally(msgspec.Struct, frozen=True):
    """What a step did: rows in and out, and what else is worth telling.

    Attributes:
        step: Its name.
        rows_in: Rows that came to it.
        rows_out: Rows that left it.
        dropped: Drops by reason.
        notes: What else it found.
        old: How many of the drops are rows of the parent, which did not come to it.
    """

    step: str
    rows_in: int
    rows_out: int
    dropped: dict[str, int] = {}
    notes: dict[str, Any] = {}
    old: int = 0


class Curated(msgspec.Struct, frozen=True):
    """Rows as they stand after some steps, with everything that was found on the way."""

    rows: pl.DataFrame
    drops: pl.DataFrame
    findings: pl.DataFrame
    conflicts: pl.DataFrame
    tallies: tuple[Tally, ...]


def begin(rows: pl.DataFrame) -> Curated:
    """Rows before the first step."""
    empty = pl.DataFrame(schema=FINDINGS), pl.DataFrame(schema=CONFLICTS)
    return Curated(rows, drop_frame([]), *empty, ())


def advance(
    state: Curated,
    step: str,
    rows: pl.DataFrame,
    drops: pl.DataFrame | None = None,
    notes: dict[str, Any] | None = None,
    *,
    old: int = 0,
) -> Curated:
    """The state after a step, its tally counted from its rows and drops; `old` drops are the parent's."""
    gone = drop_frame([]) if drops is None else drops
    reasons = dict(sorted(Counter(gone["reason"]).items()))
    tally = Tally(step, state.rows.height, rows.height, reasons, notes or {}, old)
    return msgspec.structs.replace(
        state, rows=rows, drops=pl.concat([state.drops, gone]), tallies=(*state.tallies, tally)
    )
