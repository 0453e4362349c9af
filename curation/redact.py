"""Personal data in rows: replaced by typed placeholders, listed, or dropped with its row."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.children import with_parents_renamed
from curation.errors import UserError
from curation.fields import Hit, in_json, in_text, replace
from curation.pii import ALL, KINDS, KindName
from curation.rows import drop_frame, frame, row_id, schema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

FOUND = schema(
    {"kind": pl.String, "source": pl.String, "line": pl.Int64, "row_id": pl.String}
    | {"field": pl.String, "excerpt": pl.String}
)
"""One piece of personal data: its kind, the row, the path of its field, and the redacted text around it."""


def redact_text(text: str, kinds: Collection[KindName] = ALL) -> tuple[str, list[KindName]]:
    """Replace personal data in a text.

    Returns:
        The text with placeholders such as `[EMAIL]`, and the kinds found, in the order of the text.
    """
    new, spans = replace(text, kinds)
    return new, [span.kind for span in spans]


def redact(rows: pl.DataFrame, kinds: Collection[KindName] = ALL) -> tuple[pl.DataFrame, dict[str, int]]:
    """Replace personal data in every turn and field of every row; a row that changed gets the tag `redacted`.

    Args:
        rows: Rows with schema ROWS.
        kinds: What to replace.

    Returns:
        The rows, and the number of replacements by kind. The id of a changed row is that of its new
        content.
    """
    changed = list(_changed(rows, kinds))
    counts: Counter[str] = Counter(hit.kind for _, _, hits in changed for hit in hits)
    if not changed:
        return rows, {}
    places = pl.Series([place for place, _, _ in changed], dtype=pl.UInt32)
    numbered = rows.with_row_index("place")
    new = frame(row for _, row, _ in changed).insert_column(0, places.alias("place"))
    kept = numbered.filter(~pl.col("place").is_in(places.implode()))
    together = pl.concat([kept, new]).sort("place").drop("place")
    return with_parents_renamed(together, rows["id"]), dict(counts)


def report(rows: pl.DataFrame, kinds: Collection[KindName] = ALL) -> pl.DataFrame:
    """List the personal data of some rows without repeating it.

    Args:
        rows: Rows with schema ROWS.
        kinds: What to list. The excerpts are free of the other kinds, too.

    Returns:
        A frame with schema FOUND, in the order of the rows.
    """
    before = rows.select("id", "source", "line")
    found = [
        (hit.kind, source, line, row, hit.field, hit.excerpt)
        for place, _, hits in _changed(rows, ALL)
        for row, source, line in [before.row(place)]
        for hit in hits
        if hit.kind in kinds
    ]
    return pl.DataFrame(found, schema=FOUND, orient="row")


def without(rows: pl.DataFrame, kinds: Collection[KindName] = ALL) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Leave out every row that has personal data.

    Returns:
        The rows that may stay, and the others as drops with the kinds as their reason.
    """
    all_found = {place: [h for h in hits if h.kind in kinds] for place, _, hits in _changed(rows, ALL)}
    found = {place: hits for place, hits in all_found.items() if hits}
    before = rows.select("id", "source", "line")
    drops = drop_frame(
        {
            **dict(zip(("row_id", "source", "line"), before.row(place), strict=True)),
            "step": "redact",
            "reason": "personal data: " + ", ".join(k for k in ALL if any(h.kind == k for h in hits)),
            "detail": ", ".join(dict.fromkeys(h.field for h in hits)),
        }
        for place, hits in found.items()
    )
    stay = pl.Series([place not in found for place in range(rows.height)], dtype=pl.Boolean)
    return rows.filter(stay), drops


def redact_texts(texts: pl.Series) -> pl.Series:
    """Texts as `redact_text` gives them, those without a hint not looked at one by one."""
    places = texts.to_frame("text").select(_hinted(pl.col("text"), ALL).arg_true()).to_series().to_list()
    changed = [redact_text(text)[0] for text in texts.gather(places)]
    return texts.scatter(places, changed) if places else texts


def candidates(rows: pl.DataFrame, kinds: Collection[KindName] = ALL) -> list[int]:
    """Numbers of the rows that may have personal data: a few rows too many, never one too few."""
    turn = pl.col("messages").struct
    in_turn = _hinted(turn.field("content"), kinds) | _hinted(turn.field("extra"), kinds, r"\\u")
    turns = rows.select("messages").with_row_index("place").explode("messages").filter(in_turn)
    in_meta = rows.select(_hinted(pl.col("meta"), kinds, r"\\u").arg_true()).to_series()
    return sorted({*turns["place"], *in_meta})


def _hinted(text: pl.Expr, kinds: Collection[KindName], *more: str) -> pl.Expr:
    """Whether a text may have one of the kinds; an escape in JSON (`more`) may hide a letter of a name.

    Each pattern is tried by itself: joined they have too many states for the engine, which then takes
    a hundred times as long.
    """
    patterns = [KINDS[kind].hint for kind in kinds]
    return pl.any_horizontal(text.str.contains(p).fill_null(value=False) for p in [*patterns, *more])


def _changed(
    rows: pl.DataFrame, kinds: Collection[KindName]
) -> Iterator[tuple[int, dict[str, Any], list[Hit]]]:
    """Number, new content and hits of each row with personal data."""
    places = candidates(rows, kinds)
    for place, row in zip(places, rows[places].iter_rows(named=True), strict=True):
        try:
            new, hits = _redact_row(row, kinds)
        except RecursionError:
            fix = "flatten the field or take it out"
            raise UserError(
                "a field is nested too deeply to be searched", where=f"{row['source']}:{row['line']}", fix=fix
            ) from None
        if hits:
            yield place, new | {"id": row_id(new["messages"])}, hits


def _redact_row(row: dict[str, Any], kinds: Collection[KindName]) -> tuple[dict[str, Any], list[Hit]]:
    turns = []
    all_hits: list[Hit] = []
    for number, turn in enumerate(row["messages"]):
        content, hits = in_text(turn["content"] or "", kinds, f"messages[{number}].content")
        extra, more = in_json(turn["extra"] or "null", kinds, f"messages[{number}]")
        turns.append(
            {
                **turn,
                "content": content if hits else turn["content"],
                "extra": extra if more else turn["extra"],
            }
        )
        all_hits += hits + more
    meta, hits = in_json(row["meta"] or "{}", kinds, "")
    meta = meta if hits else row["meta"]
    all_hits += hits
    tags = list(dict.fromkeys([*row["tags"], "redacted"]))
    return {**row, "messages": turns, "tags": tags, "meta": meta}, all_hits
