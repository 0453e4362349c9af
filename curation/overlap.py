"""Held-out prompts inside longer texts: any run of 13 words, or the whole of a shorter prompt.

The length of the run is that of Brown et al., "Language models are few-shot learners" (2020), appendix C. All
runs of all items are looked for at once by the automaton of Aho and Corasick (1975), as polars has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

RUN = 13
"""Words in a row that count as taken from an item."""

SHORTEST = 8
"""Words that an item must have to be looked for inside other texts, unless a shorter run counts."""


def overlaps(texts: pl.Series, items: list[str], run: int = RUN) -> pl.DataFrame:
    """Find texts that hold a run of words of an item.

    Args:
        texts: The texts (texts,).
        items: The items' own words, in their order; without what all items share, such as a policy.
        run: Words in a row that count; an item with fewer, but `SHORTEST` at least, counts as a whole.

    Returns:
        `text` and `item`, their numbers, and `words`, what they have in common: the first find of each text.
    """
    own = padded_words(pl.Series(items, dtype=pl.String)).to_list()
    found = {words: n for n in reversed(range(len(own))) for words in runs(own[n].split(), run)}
    table = pl.DataFrame({"words": padded_words(texts)}).with_row_index("text")
    wanted = list(found)
    hits = table.filter(pl.col("words").str.contains_any(wanted)) if wanted else table.clear()
    first = hits.with_columns(pl.col("words").str.extract_many(wanted).list.first()) if wanted else hits
    return first.select(
        pl.col("text").cast(pl.Int64),
        item=pl.col("words").replace_strict(found, return_dtype=pl.Int64),
        words=pl.col("words").str.strip_chars(),
    )


def runs(words: Sequence[str], run: int) -> list[str]:
    """Every run of so many words of an item, each with a space at both ends."""
    if len(words) < min(SHORTEST, run):
        return []
    size = min(run, len(words))
    return [f" {' '.join(words[i : i + size])} " for i in range(len(words) - size + 1)]


def padded_words(texts: pl.Series) -> pl.Series:
    """The words of each text in lower case, a space before and behind each (texts,)."""
    words = texts.str.normalize("NFKC").str.to_lowercase().str.replace_all(r"[^\w]+", " ")
    return " " + words.str.strip_chars() + " "
