"""Whether new rows are near others: any row that is not their kin, or a held-out item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from curation.heldout import without_heldout
from curation.near import similar_pairs
from curation.rows import frame, prompt_text

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from curation.heldout import HeldoutSet

NEAR = 0.8


def novel(
    rows: pl.DataFrame,
    children: list[dict[str, Any]],
    batch: list[dict[str, Any]],
    heldout: Sequence[HeldoutSet],
    counts: Counter[str],
) -> list[dict[str, Any]]:
    """Those of a batch of new rows that are near no row but their kin, and near no held-out item.

    Args:
        rows: All old rows, with schema ROWS.
        children: New rows that are accepted already.
        batch: New rows.
        heldout: Held-out sets.
        counts: Refusals by guard; is kept up to date.
    """
    crowded = _crowded([*rows.iter_rows(named=True), *children], batch)
    # With their parents: noise may carry a child of a held-out item out of its reach.
    leaked = set(without_heldout(pl.concat([rows, frame(batch)]), heldout)[1]["row_id"])
    counts["novelty"] += sum(child["id"] in crowded for child in batch)
    counts["held-out"] += sum(child["id"] in leaked - crowded for child in batch)
    return [child for child in batch if child["id"] not in crowded | leaked]


def _crowded(others: list[dict[str, Any]], batch: list[dict[str, Any]]) -> set[str]:
    """Ids of new rows that are near a row before them which is neither their parent nor a child of it."""
    everything = [*others, *batch]
    kin = [{row["id"], *row["parents"]} for row in everything]
    pairs = similar_pairs([prompt_text(row["messages"]) for row in everything], NEAR)
    near = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    return {batch[b - len(others)]["id"] for a, b in near if b >= len(others) and not kin[a] & kin[b]}
