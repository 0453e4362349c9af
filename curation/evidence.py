"""What a dropped row and its partner have in common and what not: for a file of drops, and for one pair."""

from __future__ import annotations

import itertools
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from curation.calls import with_calls
from curation.ids import named
from curation.rows import answer_text, prompt_text
from curation.text import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from curation.rows import Message


def differing(left: str, right: str) -> tuple[list[str], list[str]]:
    """The words that only one of two texts has, or has more often, each in its order."""
    a, b = words(left), words(right)
    return _surplus(a, Counter(b)), _surplus(b, Counter(a))


def _surplus(own: Sequence[str], others: Counter[str]) -> list[str]:
    left = others.copy()
    found = []
    for word in own:
        if left[word] > 0:
            left[word] -= 1
        else:
            found.append(word)
    return found


def with_words(drops: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Drops with the words in which a row and its partner differ: columns `only_here` and `only_there`.

    Args:
        drops: Rows that went (see `curation.dedup.Deduped`).
        rows: The rows that they and their partners are among.
    """
    texts = _named(drops, rows).unique(["id", "source", "line"])
    both = drops
    for prefix, name in (("", "row_id"), ("partner_", "partner_id")):
        keys = [name, f"{prefix}source", f"{prefix}line"]
        side = texts.rename(dict(zip(texts.columns, [*keys, f"{prefix}messages"], strict=True)))
        both = both.join(side, on=keys, how="left", nulls_equal=True, maintain_order="left")
    pairs = both.select("messages", "partner_messages").iter_rows()
    found = [differing(*map(compared_text, pair)) if all(pair) else ([], []) for pair in pairs]
    return drops.with_columns(
        only_here=pl.Series([" ".join(a) for a, _ in found], dtype=pl.String),
        only_there=pl.Series([" ".join(b) for _, b in found], dtype=pl.String),
    )


def _named(drops: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that have the place of a dropped row or of a partner, with their ids."""
    place = ["source", "line"]
    told = pl.concat(
        [
            drops.select(place),
            drops.select(pl.col("partner_source", "partner_line").name.replace("partner_", "")),
        ]
    )
    return named(rows.select("id", *place, "messages").join(told, on=place, how="semi", nulls_equal=True))


def compared_text(messages: Sequence[Message]) -> str:
    """Prompt and answer as one text, with what they call."""
    spoken = with_calls(messages)
    return f"{prompt_text(spoken)}\n{answer_text(spoken)}"


def side_by_side(left: Sequence[Message], right: Sequence[Message], width: int = 50) -> list[str]:
    """Two conversations as lines of two columns; words that only one side has stand in [brackets].

    Args:
        left: One conversation.
        right: The other.
        width: Characters of a column.
    """
    lines = []
    left, right = with_calls(left), with_calls(right)
    for part in (prompt_text, answer_text):
        a, b = part(left), part(right)
        only_a, only_b = differing(a, b)
        columns = (_wrapped(a, Counter(only_a), width), _wrapped(b, Counter(only_b), width))
        lines += [f"{x:<{width}} | {y}" for x, y in itertools.zip_longest(*columns, fillvalue="")]
        lines.append("-" * width + "-+-" + "-" * width)
    return lines[:-1]


def _wrapped(text: str, only: Counter[str], width: int) -> list[str]:
    marked = []
    for token in text.split():
        mine = [word for word in words(token) if only[word] > 0]
        only.subtract(mine)
        marked.append(f"[{token}]" if mine else token)
    return textwrap.wrap(" ".join(marked), width)
