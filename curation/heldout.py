"""Held-out sets: frozen by item hashes, and searched for in everything that would be trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import numpy as np
import polars as pl

from curation.children import descendants
from curation.compared import Compared, compared, plain
from curation.near import nearest_items, own_or_shared
from curation.overlap import RUN, overlaps
from curation.phrases import phrases
from curation.rows import ROWS, SHAPED_FROM, drop_frame, frame, short_hash

if TYPE_CHECKING:
    from collections.abc import Sequence


STEP = "heldout"
"""What this search is called among the steps."""


SEARCH = 2
"""Goes up when the search finds more than before, so that snapshots that grow look at their old rows, too."""


class HeldoutSet(NamedTuple):
    """A frozen set of evaluation items.

    Attributes:
        name: Its name in the configuration.
        version: Hash of the items; a grown set is another version.
        items: Rows with schema ROWS; the answer is the reference.
    """

    name: str
    version: str
    items: pl.DataFrame


class Checks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How near a row may come to a held-out item.

    Attributes:
        threshold: Smallest Jaccard similarity of two prompts that counts as the same.
        words: Words in a row that count as taken from an item; a shorter item counts as a whole.
    """

    threshold: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8
    words: Annotated[int, msgspec.Meta(ge=4)] = RUN


class Match(NamedTuple):
    """The item that a row gives away: its number, how similar, how it was found, the words in common."""

    item: int
    similarity: float | None
    kind: str
    words: str | None = None


def freeze(name: str, items: pl.DataFrame) -> HeldoutSet:
    """Fix the content of a held-out set by the hash of its items, whatever their order."""
    return HeldoutSet(name, short_hash(sorted(items["id"])), items)


def without_heldout(
    rows: pl.DataFrame,
    heldout: Sequence[HeldoutSet],
    checks: Checks | None = None,
    *,
    beside: pl.DataFrame | None = None,
    before: pl.DataFrame | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out every row whose prompt is, or nearly is, that of a held-out item, or which holds one.

    Prompts are compared without the system message, redacted, as text and as messages; answers do
    not count: a held-out prompt with another answer still gives the test away. A prompt that was put
    into a template is compared as it was, too. Then the whole text of a row, its answers and tool calls
    among it, is searched for runs of an item's own words (see `curation.overlap`). Rows that were made
    from an item, or from a row that is or was left out, go with it.

    Args:
        rows: Rows with schema ROWS.
        heldout: The frozen sets; an item of several versions counts once.
        checks: How near a row may come.
        beside: Other rows of the same data, which tell what text all of them share; nothing is said of them.
        before: Drops of earlier snapshots (schema DROPS); those of other steps do not count.

    Returns:
        The rows that may stay, and the others as drops whose partner is the held-out item.
    """
    items = _items(heldout)
    if not items.height or not rows.height:
        return rows, drop_frame([])
    checks, columns = checks or Checks(), ["messages", "meta"]
    seen = [rows] if beside is None else [rows, beside]
    prompts = compared(pl.concat([part["messages"] for part in [*seen, items]]))
    asked = _before_templates(pl.concat([part.select(columns) for part in [*seen, items]]), prompts.prompts)
    matches = _holding(prompts, rows.height, items.height, checks.words)
    for texts in asked:
        matches |= _near(texts.to_list(), rows.height, items.height, checks.threshold, matches)
    matches |= _exact(prompts.turns, rows.height, items.height)
    found = _with_children(rows, matches, _parents(items, before))
    gone = sorted(found)
    drops = [
        {
            "row_id": row["id"],
            "source": row["source"],
            "line": row["line"],
            "step": STEP,
            "reason": f"held-out ({kind})",
            "partner_id": items["id"][j],
            "partner_source": items["source"][j],
            "partner_line": items["line"][j],
            "similarity": similarity,
            "detail": words,
        }
        for i, row in zip(gone, rows.select("id", "source", "line")[gone].iter_rows(named=True), strict=True)
        for j, similarity, kind, words in [found[i]]
    ]
    stay = pl.Series([i not in found for i in range(rows.height)], dtype=pl.Boolean)
    return rows.filter(stay), drop_frame(drops)


def _items(heldout: Sequence[HeldoutSet]) -> pl.DataFrame:
    """The items of all sets, each once; the source says of which set one is."""
    parts = [h.items.select(ROWS.names()).with_columns(source=pl.lit(f"heldout:{h.name}")) for h in heldout]
    return pl.concat([frame([]), *parts]).unique("id", keep="first", maintain_order=True)


def _exact(turns: pl.Series, rows: int, items: int) -> dict[int, Match]:
    """The rows with the very prompt of an item, by their number."""
    known = {text: j for j, text in reversed(list(enumerate(turns[-items:])))}
    found = turns[:rows].is_in(list(known)).arg_true()
    return {i: Match(known[turns[i]], 1.0, "exact") for i in found}


def _near(
    texts: list[str], rows: int, items: int, threshold: float, known: dict[int, Match]
) -> dict[int, Match]:
    """The rows whose prompt is nearly that of an item, where they are nearer than is known."""
    best, similar = nearest_items(texts[:-items], texts[-items:], threshold)
    (near,) = np.nonzero(best[:rows] >= 0)
    found = {i: Match(int(best[i]), float(similar[i]), "near") for i in near.tolist()}
    return {i: match for i, match in found.items() if i not in known or _nearer(match, known[i])}


def _nearer(match: Match, known: Match) -> bool:
    return known.similarity is None or (match.similarity or 0.0) > known.similarity


def _holding(prompts: Compared, rows: int, items: int, run: int) -> dict[int, Match]:
    """The rows in whose text, whoever says it, an item's own words stand, by their number."""
    own = own_or_shared(prompts.prompts.to_list(), items=items)
    wanted = phrases(prompts.prompts[-items:], own)
    found = overlaps(prompts.whole[:rows], prompts.prompts[:rows], wanted, run)
    kinds = ("contained", "contained, one place edited")
    return {i: Match(f.item, None, kinds[f.edited], f.words) for i, f in found.items()}


def _before_templates(rows: pl.DataFrame, prompts: pl.Series) -> list[pl.Series]:
    """The prompts; once more as they were before a template where any was put into one."""
    before = rows["meta"].str.json_path_match(f"$.{SHAPED_FROM}")
    if before.null_count() == rows.height:
        return [prompts]
    known = plain(before.fill_null("")).set(before.is_null(), None)
    return [prompts, pl.select(pl.coalesce(known, prompts)).to_series()]


def _parents(items: pl.DataFrame, before: pl.DataFrame | None) -> dict[str, Match]:
    """What no row may be made from, by id: the items, and rows that were left out for one of them."""
    numbers = {identity: number for number, identity in enumerate(items["id"])}
    gone = drop_frame([]) if before is None else before.filter(step=STEP)
    named = [*zip(items["id"], items["id"], strict=True), *gone.select("row_id", "partner_id").rows()]
    return {row: Match(numbers[item], None, "made from one") for row, item in named if item in numbers}


def _with_children(
    rows: pl.DataFrame, found: dict[int, Match], parents: dict[str, Match]
) -> dict[int, Match]:
    """The matches with all rows that descend from one; noise may have carried a child below the threshold."""
    ids = rows["id"].to_list()
    leaked = parents | {ids[i]: match for i, match in found.items()}
    found = dict(found)
    for number, parent in descendants(rows, leaked).items():
        if number not in found:
            found[number] = leaked[ids[number]] = leaked[parent]._replace(kind="made from one")
    return found
