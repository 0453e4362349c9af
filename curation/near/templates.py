"""Shared text by name: the runs of words that did not count, and in how many rows they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from curation.calls import with_calls
from curation.near.residue import numbers_in
from curation.near.texts import of_messages
from curation.rows import prompt_text
from curation.text import words

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from curation.near.shared import Shared

NAMED = 100
"""So many templates are named, the most frequent first."""


class Template(NamedTuple):
    """Shared text that does not count: its words, and the rows that have the most frequent shingle of it."""

    text: str
    rows: int


def templates(shared: Shared, messages: pl.Series, numbers: NDArray[np.int64]) -> list[Template]:
    """Name shared text by the longest run of it in a row that has it.

    Args:
        shared: The shingles that did not count.
        messages: The column `messages` of all rows.
        numbers: The rows that they were found in.
    """
    found: list[Template] = []
    unnamed = np.ones(len(shared.hashes), np.bool_)
    for number in np.argsort(-shared.rows, kind="stable").tolist():
        if unnamed[number] and len(found) < NAMED:
            row = messages.slice(int(numbers[shared.examples[number]]), 1)
            text, members = _run(shared, row, number, unnamed)
            unnamed[members] = False
            found.append(Template(text, int(shared.rows[number])))
    return found


def _run(
    shared: Shared, row: pl.Series, number: int, unnamed: NDArray[np.bool_]
) -> tuple[str, NDArray[np.int64]]:
    """The words around a shared shingle that are shared too and have no name, and the shingles in them."""
    ((size, numbers),) = numbers_in(of_messages(row, "prompt"), shared)
    at = int(np.flatnonzero(numbers == number)[0])
    gaps = np.flatnonzero((numbers < 0) | ~unnamed[numbers])
    begin = int(gaps[gaps < at].max(initial=-1)) + 1
    end = int(gaps[gaps > at].min(initial=len(numbers)))
    run = words(prompt_text(with_calls(row[0].to_list())))[begin : end + size - 1]
    return ("" if size > 3 else " ").join(run), numbers[begin:end]
