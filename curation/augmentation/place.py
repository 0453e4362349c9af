"""The text of a row that may be changed: the user's own words, without what many rows share."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.rows import canonical, make_row, meta_text, row_id
from curation.text import TEMPLATE_ROWS, TEMPLATE_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

AUGMENTED = "augmented"
OWN = {"selected", "origin", "trace", "id"}
"""Fields of `meta` that name a row or say how it came here, which is not how its child did."""
MADE_FROM = "made_from"
"""Field of `meta`: the `id` that the parent has in its file, where it has one."""
MARK = ": "


class Place(NamedTuple):
    """Where the user's own words stand: before and after them comes what stays.

    Attributes:
        turn: Number of the turn.
        before: What comes before them in that turn.
        text: The user's own words.
        after: What comes after them.
    """

    turn: int
    before: str
    text: str
    after: str


def shared_parts(rows: pl.DataFrame) -> set[str]:
    """Lines, and beginnings of lines up to a colon, that a template rather than a user wrote.

    A part is shared where at least 20 rows have it, and more than 5% of them.
    """
    lines = rows["messages"].explode().struct.field("content").str.split("\n").explode()
    heads = lines.filter(lines.str.contains(MARK, literal=True)).str.splitn(MARK, 2).struct.field("field_0")
    shared: set[str] = set()
    for parts in (lines, heads + MARK):
        counts = parts.value_counts()
        often = (counts["count"] >= TEMPLATE_ROWS) & (counts["count"] > TEMPLATE_SHARE * rows.height)
        shared |= set(counts.filter(often)[parts.name])
    return shared


def find_place(row: dict[str, Any], shared: set[str]) -> Place | None:
    """The user's own lines at the end of the user's last turn; None where there are none."""
    turns = [i for i, turn in enumerate(row["messages"]) if turn["role"] == "user"]
    if not turns:
        return None
    lines = (row["messages"][turns[-1]]["content"] or "").split("\n")
    own = [bool(line.strip()) and line not in shared for line in lines]
    if not any(own):
        return None
    end = len(own) - own[::-1].index(True)
    start = next((i + 1 for i in range(end - 1, -1, -1) if lines[i] in shared), 0)
    text = "\n".join(lines[start:end])
    head, mark, _ = text.partition(MARK)
    fixed = head + mark if mark and head + mark in shared else ""
    before, after = "\n".join([*lines[:start], fixed]), "\n".join(["", *lines[end:]])
    return Place(turns[-1], before, text[len(fixed) :].strip("\n"), after)


def places(
    rows: pl.DataFrame, seed: int, rounds: int
) -> Iterator[tuple[int, int, dict[str, Any], Place, random.Random]]:
    """Round, number, row and place of each row that was not made, in an order by chance; each round the same.

    The last is a source of chance of the row's own: the order of the rows does not matter.
    """
    shared = shared_parts(rows)
    old = (row for row in rows.iter_rows(named=True) if AUGMENTED not in row["tags"])
    keyed = [(random.Random(canonical([seed, row["id"]])), row) for row in old]  # noqa: S311  (no secret)
    parents = sorted(((rng.random(), row["id"], rng, row) for rng, row in keyed), key=lambda item: item[:2])
    for turn in range(rounds):
        for number, (_, _, rng, row) in enumerate(parents):
            if place := find_place(row, shared):
                yield turn, number, row, place, rng


def child_of(row: dict[str, Any], place: Place, text: str, operation: str) -> dict[str, Any]:
    """A row with other words in a place: it names parent and operation; family, answer and fields stay.

    Where the parent has an `id` of its own, the child has another, and names it as `made_from`.
    """
    fields = json.loads(row["meta"])
    turns: Sequence[dict[str, Any]] = [dict(turn) for turn in row["messages"]]
    turns[place.turn]["content"] = place.before + text + place.after
    own = {"id": row_id(turns), MADE_FROM: fields["id"]} if "id" in fields else {}
    return make_row(
        turns,
        tags=[*row["tags"], AUGMENTED, operation],
        source=row["source"],
        line=row["line"],
        parents=[row["id"]],
        family=row["family"],
        meta=meta_text({key: value for key, value in fields.items() if key not in OWN} | own),
    )
