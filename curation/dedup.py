"""Duplicates out, with evidence; conflicts (same prompt, other answer) listed, never lost silently."""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import polars as pl

from curation.near import similar_pairs
from curation.rows import answer_text, drop_frame, prompt_text
from curation.text import words

if TYPE_CHECKING:
    from collections.abc import Sequence

Policy = Literal["report", "keep_best", "keep_all", "drop_all"]

CONFLICTS = pl.Schema(
    {"row_id": pl.String, "source": pl.String, "line": pl.Int64, "answer": pl.String}
    | {"partner_id": pl.String, "partner_source": pl.String, "partner_line": pl.Int64}
    | {"partner_answer": pl.String, "similarity": pl.Float64}
)


class Deduped(NamedTuple):
    """Rows that stay (schema ROWS), rows that went (DROPS) and pairs that contradict (CONFLICTS)."""

    rows: pl.DataFrame
    drops: pl.DataFrame
    conflicts: pl.DataFrame


class _Edge(NamedTuple):
    row: int
    similarity: float


def drop_exact(rows: pl.DataFrame, *, old: int = 0) -> Deduped:
    """Drop rows whose normalised conversation equals that of a row that stays.

    Normalised means NFKC, case-folded, runs of white space as one; roles and the other fields of a turn count
    as they are. Equality is on the text itself, not on a hash.

    Args:
        rows: Rows with schema ROWS.
        old: The first so many rows are preferred to the others.
    """
    first: dict[tuple[Any, ...], int] = {}
    partners: dict[int, _Edge] = {}
    ids, lists = rows["id"].to_list(), rows["messages"].to_list()
    for i in _best_first(rows, old):
        key = tuple(
            (m["role"], " ".join(m["content"].split()).casefold(), m["extra"]) for m in _folded(lists[i])
        )
        kept = first.setdefault(key, i)
        if kept != i:
            partners[i] = _Edge(kept, 1.0)
    reason = {
        i: "exact duplicate" if ids[i] == ids[e.row] else "normalised duplicate" for i, e in partners.items()
    }
    return _result(rows, partners, reason, [])


def _folded(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**m, "content": unicodedata.normalize("NFKC", m["content"])} for m in messages]


def drop_near(
    rows: pl.DataFrame, *, threshold: float = 0.8, conflicts: Policy = "report", old: int = 0
) -> Deduped:
    """Drop near-duplicates; every dropped row is itself similar to the row kept in its place.

    Two rows are duplicates when the Jaccard similarity of their prompts and that of their answers
    is at least `threshold`; they conflict when only their prompts are that similar.

    Args:
        rows: Rows with schema ROWS.
        threshold: Smallest similarity of a duplicate, above 0 and up to 1.
        conflicts: What to do with conflicts: `report` and `keep_all` keep both rows, `keep_best`
            keeps the better one of each pair, `drop_all` drops all rows in conflicts.
        old: The first so many rows are preferred to the others.

    Returns:
        The rows that stay in their old order, the drops, and the conflicts among the rows that stay
        or went by policy.
    """
    lists = rows["messages"].to_list()
    pairs = similar_pairs([prompt_text(m) for m in lists], threshold)
    answers = [_answer_words(answer_text(m)) for m in lists]
    same: dict[int, list[_Edge]] = defaultdict(list)
    contradicting: list[tuple[int, int, float]] = []
    for a, b, s in zip(*(c.tolist() for c in pairs), strict=True):
        if answer_similarity(answers[a], answers[b]) >= threshold:
            same[a].append(_Edge(b, s))
            same[b].append(_Edge(a, s))
        else:
            contradicting.append((a, b, s))
    order = _best_first(rows, old)
    partners = _anchored(order, same)
    reason = dict.fromkeys(partners, "near duplicate")
    alive = [(a, b, s) for a, b, s in contradicting if a not in partners and b not in partners]
    for loser, edge in _losers(order, alive, conflicts).items():
        partners[loser], reason[loser] = edge, "conflicting answer"
    return _result(rows, partners, reason, alive)


def _answer_words(text: str) -> list[str]:
    """Words of an answer; a short one is one word, signs included: `-5` is not `5`, nor `<` `>`."""
    found = words(text)
    if len(found) >= 3:
        return found
    return [" ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(".")]


def answer_similarity(a: Sequence[str], b: Sequence[str]) -> float:
    """Jaccard similarity of the word 3-grams of two answers; equality where one is shorter."""
    if min(len(a), len(b)) < 3:
        return float(list(a) == list(b))
    left, right = ({tuple(t[i : i + 3]) for i in range(len(t) - 2)} for t in (a, b))
    return len(left & right) / len(left | right)


def _best_first(rows: pl.DataFrame, old: int) -> list[int]:
    """Row numbers, the one to keep first: old rows, then longer ones, smaller ids, earlier lines."""
    lengths = pl.col("messages").list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
    keys = rows.select("id", "source", "line", length=lengths).with_row_index("row")
    ordered = keys.with_columns(new=pl.col("row") >= old).sort(
        ["new", "length", "id", "source", "line", "row"], descending=[False, True, False, False, False, False]
    )
    return ordered["row"].to_list()


def _anchored(order: list[int], same: dict[int, list[_Edge]]) -> dict[int, _Edge]:
    """The kept partner of each dropped row: the best row that is similar to it and stays."""
    kept: set[int] = set()
    partners: dict[int, _Edge] = {}
    for row in order:
        near = [edge for edge in same.get(row, ()) if edge.row in kept]
        if near:
            partners[row] = max(near, key=lambda edge: (edge.similarity, -edge.row))
        else:
            kept.add(row)
    return partners


def _losers(order: list[int], pairs: list[tuple[int, int, float]], policy: Policy) -> dict[int, _Edge]:
    if policy == "drop_all":
        return {b: _Edge(a, s) for a, b, s in pairs} | {a: _Edge(b, s) for a, b, s in pairs}
    if policy != "keep_best":
        return {}
    same: dict[int, list[_Edge]] = defaultdict(list)
    for a, b, s in pairs:
        same[a].append(_Edge(b, s))
        same[b].append(_Edge(a, s))
    return _anchored(order, same)


def _result(
    rows: pl.DataFrame,
    partners: dict[int, _Edge],
    reason: dict[int, str],
    conflicts: list[tuple[int, int, float]],
) -> Deduped:
    places = rows.select("id", "source", "line").rows()
    answers = [answer_text(m) for m in rows["messages"].to_list()] if conflicts else []
    drops = [
        dict(zip(("row_id", "source", "line"), places[i], strict=True))
        | dict(zip(("partner_id", "partner_source", "partner_line"), places[edge.row], strict=True))
        | {"step": "dedup", "reason": reason[i], "similarity": edge.similarity}
        for i, edge in sorted(partners.items())
    ]
    listed = [(*places[a], answers[a], *places[b], answers[b], s) for a, b, s in conflicts]
    stay = pl.Series([i not in partners for i in range(rows.height)], dtype=pl.Boolean)
    return Deduped(rows.filter(stay), drop_frame(drops), pl.DataFrame(listed, schema=CONFLICTS, orient="row"))
