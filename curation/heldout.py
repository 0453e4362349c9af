"""Held-out sets: frozen by item hashes, and searched for in everything that would be trained on."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Annotated, NamedTuple

import msgspec
import polars as pl

from curation.children import descendants
from curation.near import nearest_items, residuals
from curation.overlap import RUN, overlaps
from curation.redact import redact_text
from curation.rows import ROWS, SHAPED_FROM, drop_frame, frame, prompt_text, row_id, short_hash, split_answer

if TYPE_CHECKING:
    from collections.abc import Sequence


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
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out every row whose prompt is, or nearly is, that of a held-out item, or which holds one.

    Prompts are compared without the system message, redacted, as text and as messages; answers do
    not count: a held-out prompt with another answer still gives the test away. A prompt that was put
    into a template is compared as it was, too. Then the whole text of a row, its answers among it, is
    searched for runs of an item's own words (see `curation.overlap`). Rows that were made from one that
    is left out go with it.

    Args:
        rows: Rows with schema ROWS.
        heldout: The frozen sets; an item of several versions counts once.
        checks: How near a row may come.
        beside: Other rows of the same data, which tell what text all of them share; nothing is said of them.

    Returns:
        The rows that may stay, and the others as drops whose partner is the held-out item.
    """
    items = _items(heldout)
    if not items.height or not rows.height:
        return rows, drop_frame([])
    checks, columns = checks or Checks(), ["messages", "meta"]
    seen = [rows] if beside is None else [rows, beside]
    prompts = _compared(pl.concat([part.select(columns) for part in [*seen, items]]))
    matches = _holding(rows, items, prompts[0], checks.words)
    found = _with_children(rows, matches | _matches(rows, items, prompts, checks.threshold))
    drops = [
        {
            "row_id": row["id"],
            "source": row["source"],
            "line": row["line"],
            "step": "heldout",
            "reason": f"held-out ({kind})",
            "partner_id": items["id"][j],
            "partner_source": items["source"][j],
            "partner_line": items["line"][j],
            "similarity": similarity,
            "detail": words,
        }
        for i, row in enumerate(rows.iter_rows(named=True))
        if i in found
        for j, similarity, kind, words in [found[i]]
    ]
    stay = pl.Series([i not in found for i in range(rows.height)], dtype=pl.Boolean)
    return rows.filter(stay), drop_frame(drops)


def _items(heldout: Sequence[HeldoutSet]) -> pl.DataFrame:
    """The items of all sets, each once; the source says of which set one is."""
    parts = [h.items.select(ROWS.names()).with_columns(source=pl.lit(f"heldout:{h.name}")) for h in heldout]
    return pl.concat([frame([]), *parts]).unique("id", keep="first", maintain_order=True)


def _matches(
    rows: pl.DataFrame, items: pl.DataFrame, prompts: list[list[str]], threshold: float
) -> dict[int, Match]:
    """The rows whose prompt is, or nearly is, that of an item, by their number."""
    left, right = rows["messages"].to_list(), items["messages"].to_list()
    exact = {_prompt_id(messages): j for j, messages in enumerate(right)}
    found: dict[int, Match] = {}
    for texts in prompts:
        best, similar = nearest_items(texts[: -len(right)], texts[-len(right) :], threshold)
        near = zip(best.tolist()[: len(left)], similar.tolist(), strict=False)
        for i, (item, s) in enumerate(near):
            if item >= 0 and (i not in found or s > found[i].similarity):
                found[i] = Match(item, s, "near")
    for i, messages in enumerate(left):
        if (j := exact.get(_prompt_id(messages))) is not None:
            found[i] = Match(j, 1.0, "exact")
    return found


def _holding(rows: pl.DataFrame, items: pl.DataFrame, prompts: list[str], run: int) -> dict[int, Match]:
    """The rows in whose text, whoever says it, an item's own words stand, by their number."""
    own = residuals(prompts, items=items.height)
    texts = [
        redact_text(" ".join(m["content"] or "" for m in turns))[0] for turns in rows["messages"].to_list()
    ]
    found = overlaps(pl.Series(texts, dtype=pl.String), own, run)
    return {i: Match(item, None, "contained", words) for i, item, words in found.rows()}


def _compared(rows: pl.DataFrame) -> list[list[str]]:
    """The texts of all prompts; once more as they were before a template where any was put into one."""
    texts = [redact_text(prompt_text(m))[0] for m in rows["messages"].to_list()]
    before = rows["meta"].str.json_path_match(f"$.{SHAPED_FROM}").to_list()
    if not any(before):
        return [texts]
    return [texts, [t if b is None else redact_text(b)[0] for t, b in zip(texts, before, strict=True)]]


def _with_children(rows: pl.DataFrame, found: dict[int, Match]) -> dict[int, Match]:
    """The matches with all rows that descend from one; noise may have carried a child below the threshold."""
    ids = rows["id"].to_list()
    leaked = {ids[i]: match for i, match in found.items()}
    found = dict(found)
    for number, parent in descendants(rows, leaked).items():
        if number not in found:
            found[number] = leaked[ids[number]] = leaked[parent]._replace(kind="made from one")
    return found


def _prompt_id(messages: Sequence[dict[str, str]]) -> str:
    prompt, _ = split_answer(messages)
    return row_id(
        {"role": m["role"], "content": _folded(m["content"])} for m in prompt if m["role"] != "system"
    )


def _folded(text: str) -> str:
    normal = unicodedata.normalize("NFKC", redact_text(text)[0])
    return " ".join(normal.split()).casefold()
