"""What a snapshot's rows are, in counts that a grown one takes over: old rows need not be read again."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable

CHARACTERS = 4
"""Characters of a token, about: no tokenizer is asked."""

NOT_GIVEN = "not given"
SHORTEST = 16


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Rows by what they are.

    Attributes:
        sources: Rows by the file that they were read from; all traces are one.
        licences: Rows by the field `license` that came with them.
        origins: Rows by origin: seed, augmented, trace or correction.
        tags: Rows by tag; a row with two counts for both.
        tokens: Rows by length: up to so many tokens of about 4 characters, in powers of two.
    """

    sources: dict[str, int] = {}
    licences: dict[str, int] = {}
    origins: dict[str, int] = {}
    tags: dict[str, int] = {}
    tokens: dict[str, int] = {}


def contents_of(rows: pl.DataFrame) -> Contents:
    """Count rows with schema ROWS."""
    meta = pl.col("meta").str.json_path_match
    table = rows.select(
        sources=pl.col("source").str.replace("^trace:.*$", "trace"),
        licences=pl.coalesce(meta("$.license"), meta("$.licence"), pl.lit(NOT_GIVEN)),
        origins=ORIGIN,
        tokens=pl.col("messages").list.eval(pl.element().struct.field("content").str.len_chars()).list.sum(),
    )
    counts = {name: dict(table[name].value_counts().rows()) for name in ("sources", "licences", "origins")}
    lengths = Counter(str(_power(characters or 0)) for characters in table["tokens"])
    return Contents(
        **{name: _sorted(found) for name, found in counts.items()},
        tags=_sorted(Counter(rows["tags"].explode().drop_nulls())),
        tokens={size: lengths[size] for size in sorted(lengths, key=int)},
    )


ORIGIN = pl.coalesce(
    pl.col("meta").str.json_path_match("$.origin"),
    pl.when(pl.col("parents").list.len() > 0).then(pl.lit("augmented")),
    pl.lit("seed"),
)
"""Where a row comes from: it says so itself, or was made from another, or was read from a file."""


def plus(left: Contents, right: Contents) -> Contents:
    """Both together."""
    return _each(left, right, lambda a, b: a + b)


def minus(left: Contents, right: Contents) -> Contents:
    """The left one without the right one, which is a part of it."""
    return _each(left, right, lambda a, b: a - b)


def _each(
    left: Contents, right: Contents, both: Callable[[Counter[str], Counter[str]], Counter[str]]
) -> Contents:
    found = {}
    for name in Contents.__struct_fields__:
        counts = both(Counter(getattr(left, name)), Counter(getattr(right, name)))
        found[name] = _sorted(counts)
    found["tokens"] = {size: found["tokens"][size] for size in sorted(found["tokens"], key=int)}
    return Contents(**found)


def _power(characters: int) -> int:
    """The smallest power of two that so many characters fit into as tokens."""
    size = SHORTEST
    while size * CHARACTERS < characters:
        size *= 2
    return size


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    """The most frequent first; equal ones by name, so that the same rows give the same text."""
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
