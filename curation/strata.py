"""Which split a family falls to: by hash, or so that each stratum gets its shares; and what came out."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import polars as pl

from curation.rows import answer_text

if TYPE_CHECKING:
    from collections.abc import Mapping

SPLITS = ("train", "validation", "test")

Counted = dict[str, dict[str, int]]
"""Rows by stratum and split."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Stratify = Literal["", "tag", "label"]


def split_of(family: str, ratios: Mapping[str, float]) -> str:
    """The split of a family.

    Args:
        family: The family's name.
        ratios: Share of each split, in the order of `SPLITS`; together 1.
    """
    place = _hash(family) / 2**64
    edge = 0.0
    for name in SPLITS:
        edge += ratios.get(name, 0.0)
        if place < edge:
            return name
    return next(name for name in reversed(SPLITS) if ratios.get(name))


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.sha256(f"split:{name}".encode()).digest()[:8], "big")


def stratum(rows: pl.DataFrame, by: Stratify) -> pl.Series:
    """The stratum of each row (rows,): its first tag, or its answer without case and white space."""
    if by == "tag":
        return rows.select(stratum=pl.col("tags").list.first().fill_null("")).to_series()
    labels = [" ".join(answer_text(messages).split()).casefold() for messages in rows["messages"].to_list()]
    return pl.Series("stratum", labels, dtype=pl.String)


def stratified(rows: pl.DataFrame, old: Counted, ratios: Mapping[str, float], by: Stratify) -> dict[str, str]:
    """The split of each new family, so that every stratum comes near its shares.

    The families come in the order of their hashes, and each goes where most rows of its stratum are missing,
    and of all strata up to its own height: otherwise the first families of all strata, and with them all
    small strata, would go to the largest split.

    Args:
        rows: The rows of the new families; a family counts for the stratum that most of its rows have.
        old: The rows of each stratum that have a split already.
        ratios: Share of each split.
        by: What a stratum is.
    """
    counts = defaultdict(Counter, {name: Counter(heights) for name, heights in old.items()})
    overall = sum(counts.values(), Counter[str]())
    found: dict[str, str] = {}
    for family, name, height in sorted(_families(rows, by), key=lambda entry: (_hash(entry[0]), entry[0])):
        found[family] = _poorest(counts[name], overall, ratios, height)
        counts[name][found[family]] += height
        overall[found[family]] += height
    return found


def _poorest(counts: Counter[str], overall: Counter[str], ratios: Mapping[str, float], height: int) -> str:
    """The split that is short of most rows if a family of this height comes to a stratum."""
    total, every = counts.total() + height, overall.total()

    def short(name: str) -> float:
        elsewhere = ratios[name] * every - overall[name]
        # rounded, so that shares in binary fractions decide no tie
        return round(ratios[name] * total - counts[name] + max(-height, min(elsewhere, height)), 6)

    return max((name for name in SPLITS if ratios.get(name)), key=short)


def _families(rows: pl.DataFrame, by: Stratify) -> list[tuple[str, str, int]]:
    """Name, stratum and rows of each family."""
    counted = rows.select("family").with_columns(stratum(rows, by)).group_by("family", "stratum").len()
    first = counted.sort("len", "stratum", descending=[True, False]).unique(
        "family", keep="first", maintain_order=True
    )
    sizes = counted.group_by("family").agg(rows=pl.col("len").sum())
    return first.join(sizes, on="family").select("family", "stratum", "rows").rows()


def counted(rows: pl.DataFrame, by: Stratify) -> Counted:
    """Rows of each stratum in each split; all are one stratum where there is none.

    Args:
        rows: Rows with schema ROWS and a column `split`.
        by: What a stratum is.
    """
    names = stratum(rows, by) if by else pl.repeat("", rows.height, dtype=pl.String, eager=True)
    table = pl.DataFrame({"stratum": names, "split": rows["split"]})
    found: Counted = {}
    for name, split, height in table.group_by("stratum", "split").len().rows():
        found.setdefault(name, {})[split] = height
    return added(found, {})


def added(left: Counted, right: Counted, sign: int = 1) -> Counted:
    """Both counts together, or the left one without the right one."""
    found: Counted = {}
    for name in sorted({*left, *right}):
        one, other = left.get(name, {}), right.get(name, {})
        heights = {split: one.get(split, 0) + sign * other.get(split, 0) for split in SPLITS}
        if any(heights.values()):
            found[name] = {split: height for split, height in heights.items() if height}
    return found


def shares(counts: Counted, ratios: Mapping[str, float], by: Stratify) -> dict[str, Any]:
    """What was asked for and what came out, for people.

    Args:
        counts: The rows of each stratum in each split.
        ratios: Share of each split.
        by: What a stratum is; none where it is empty.

    Returns:
        `asked` and `realised` shares by split; with strata what they are `by`, and the `strata`.
    """
    heights = Counter[str]()
    for found in counts.values():
        heights.update(found)
    realised = {name: round(heights[name] / heights.total(), 4) for name in SPLITS if heights[name]}
    asked = {name: share for name, share in ratios.items() if share}
    return {"asked": asked, "realised": realised} | ({"by": by, "strata": counts} if by else {})
