"""Many made-up prompts: words by Zipf's law, a third of each prompt from the few words of its topic."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

SYLLABLES = ("ba", "ko", "ri", "te", "mu", "sa", "lo", "pe", "ni", "da", "fu", "gi", "ha", "jo", "ke", "la")
VOCABULARY, TOPICS, TOPIC_WORDS, TOPIC_SHARE = 60_000, 2_000, 25, 0.35


def prompts(count: int, words: int, seed: int = 0) -> pl.Series:
    """So many prompts of about so many words each."""
    rng = np.random.default_rng(seed)
    lengths = np.maximum(2, rng.poisson(words, count))
    shares = 1 / np.arange(1, VOCABULARY + 1) ** 1.05
    chosen = rng.choice(VOCABULARY, size=int(lengths.sum()), p=shares / shares.sum())
    topic = np.repeat(rng.zipf(1.3, count) % TOPICS, lengths)
    own = rng.random(len(chosen)) < TOPIC_SHARE
    chosen[own] = 200 + topic[own] * TOPIC_WORDS + rng.integers(0, TOPIC_WORDS, int(own.sum()))
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(starts), pa.array(_vocabulary()).take(pa.array(chosen)))
    return pl.Series(pl.from_arrow(pc.binary_join(lists, " ")))


def _vocabulary() -> list[str]:
    return [
        "".join(SYLLABLES[(i >> shift) % 16] for shift in (0, 4, 8, 12) if shift < 5 or i >> shift)
        for i in range(VOCABULARY)
    ]
