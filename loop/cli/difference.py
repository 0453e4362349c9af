"""The difference of two snapshots in words: tables that a colleague understands without explanation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from curation.difference import counts
from curation.rows import answer_text, canonical, prompt_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from curation.difference import Difference
    from curation.manifest import Manifest

SHOWN, MOST, WIDE = 5, 10, 60
Section = tuple[str, "Sequence[str]", "Sequence[Sequence[object]]"]


def sections(change: Difference) -> list[Section]:
    """Titles, headers and lines: counts by reason, source and tag, and the first rows of each kind."""
    anew = ["row", "was", "prompt", "answer was", "is"]
    fields, edited = ["row", "field", "was", "is"], change.edited
    return [
        *_of_rows("added", change.added),
        *_of_rows("removed", change.removed),
        (f"answered anew: {change.changed.height} rows", anew, _changed(change.changed)),
        (f"with other fields: {edited.height} rows", fields, _edited(edited)),
        (f"moved to another split: {change.moved.height} rows", ["from", "to", "rows"], _moved(change.moved)),
    ]


def in_short(older: Manifest, newer: Manifest, change: Difference) -> str:
    """The difference in one sentence."""
    told = [f"{sum(m.splits.values())} rows ({by_split(m)})" for m in (older, newer)]
    counts = [f"{change.added.height} added", f"{change.removed.height} removed"]
    counts += [f"{change.changed.height} answered anew", f"{change.edited.height} with other fields"]
    counts += [f"{change.moved.height} moved to another split"]
    return f"{told[0]} became {told[1]}: {', '.join(counts)}."


def by_split(manifest: Manifest) -> str:
    """The rows of each split, for people."""
    return ", ".join(f"{count} {name}" for name, count in manifest.splits.items())


def _of_rows(what: str, rows: pl.DataFrame) -> list[Section]:
    counted = [line for name, found in counts(rows).items() for line in _most(name, found)]
    reasons = "reason" in rows.columns
    first = [
        (r["id"], r["split"], _cut(prompt_text(r["messages"])), _cut(answer_text(r["messages"])))
        + ((_cut(": ".join(filter(None, (r["reason"], r["detail"])))),) if reasons else ())
        for r in rows.head(SHOWN).iter_rows(named=True)
    ]
    headers = ["row", "split", "prompt", "answer", *(["reason"] if reasons else [])]
    found: list[Section] = [(f"{what}: {rows.height} rows", ["by", "value", "rows"], counted)]
    return [*found, (f"{what}, the first {len(first)}", headers, first)] if first else found


def _most(name: str, found: dict[str, int]) -> list[tuple[str, str, int]]:
    lines = [(name, value, count) for value, count in found.items()]
    rest = sum(count for _, _, count in lines[MOST:])
    return [*lines[:MOST], *([(name, f"{len(lines) - MOST} others", rest)] if rest else [])]


def _changed(changed: pl.DataFrame) -> list[Sequence[object]]:
    found: list[Sequence[object]] = []
    for r in changed.head(SHOWN).iter_rows(named=True):
        was, now = (_cut(answer_text(r[name])) for name in ("messages", "messages_new"))
        found.append((r["id_new"], r["id"], _cut(prompt_text(r["messages"])), was, now))
    return found


def _edited(edited: pl.DataFrame) -> list[Sequence[object]]:
    """The fields of the first rows that were and are not the same."""
    found: list[Sequence[object]] = []
    for row in edited.head(SHOWN).iter_rows(named=True):
        was, now = (_fields(row[name].splitlines()[0]) for name in ("says", "says_new"))
        names = [name for name in sorted({*was, *now}) if was.get(name) != now.get(name)]
        found += [(row["id"], name, _cut(was.get(name, "")), _cut(now.get(name, ""))) for name in names]
    return found


def _fields(says: str) -> dict[str, str]:
    said = json.loads(says)
    return {name: canonical(value) for name, value in (said | json.loads(said.pop("meta"))).items()}


def _moved(moved: pl.DataFrame) -> Sequence[Sequence[object]]:
    return moved.group_by("split", "split_new").len().sort("split", "split_new").rows()


def _cut(text: str) -> str:
    """One line; of a long text the end, because that is where prompts differ."""
    line = " ".join(text.split())
    return line if len(line) <= WIDE else "\u2026" + line[1 - WIDE :]
