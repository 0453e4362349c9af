"""Conversations as the kernels read them."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curation.near.texts import contents, of_strings, taken
from curation.rows import ROWS

SAID = [f"text {n} \u00c4" if n % 3 else f"text {n}" for n in range(60)]


@pytest.mark.parametrize("size", [60, 25, 1])
@pytest.mark.parametrize(
    "numbers", [range(60), range(10, 40), range(0, 60, 2), [0, 59], [24, 25], [30], []], ids=str
)
def test_the_same_rows_are_taken_however_they_are_stored(size, numbers):
    chats = [[{"role": "user", "content": text, "extra": None}] for text in SAID]
    parts = [pl.Series(chats[at : at + size], dtype=ROWS["messages"]) for at in range(0, 60, size)]
    found = taken(pl.concat(parts, rechunk=False), np.array(numbers, np.int64))
    assert found.to_list() == [chats[n] for n in numbers]
    texts = contents(found.to_arrow())
    said = [
        texts.data[a:b].tobytes().decode() for a, b in zip(texts.offsets, texts.offsets[1:], strict=False)
    ]
    assert said == [SAID[n] for n in numbers]


def test_a_text_that_is_not_ascii_has_its_normal_form_beside_it():
    texts = of_strings(["plain", "\uff21 \u00c4", "also"])
    assert texts.which.tolist() == [-1, 0, -1]
    assert texts.other.tobytes().decode() == "a \u00e4"
    assert of_strings(["plain", "also"]).which.tolist() == [-1, -1]
