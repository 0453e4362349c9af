"""Texts to select from: hypothesis strategies, clusters, and planted intents with garbage among them."""

from __future__ import annotations

import random
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from curation.selection.limits import Limits

WORDS = [f"w{i}" for i in range(12)]
corpora = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), min_size=1, max_size=40)


def plain_limits(count: int, texts: int, **changes: object) -> Limits:
    return Limits(count, 2**62, np.ones(texts, np.int64), np.ones(texts), 0.0)._replace(**changes)


class Planted(NamedTuple):
    """Texts, and the intent of each; garbage has a number below 0 for its kind."""

    texts: list[str]
    intents: np.ndarray


GARBAGE = ("short noise", "repeated words", "wrong language", "pasted markup")


def planted(seed: int, *, intents: int = 227, rows: int = 10_000, garbage: float = 0.05) -> Planted:
    """Intents whose sizes follow Zipf's law, in words of their own, shared and stray ones; and garbage."""
    rng = random.Random(seed)
    common = [f"common{i}" for i in range(60)]
    topical = [f"topic{i}" for i in range(3000)]
    shares = [1 / (i + 1) for i in range(intents)]
    pairs: list[tuple[str, int]] = []
    for intent, share in enumerate(shares):
        own = rng.sample(topical, 10)
        for _ in range(max(2, round(rows * (1 - garbage) * share / sum(shares)))):
            said = rng.sample(own, rng.randint(3, 6)) + rng.choices(common, k=rng.randint(4, 8))
            said += rng.choices(topical, k=rng.randint(0, 2))
            pairs.append((" ".join(rng.sample(said, len(said))), intent))
    pairs += [
        (_junk(rng, i % 4, common + topical), -1 - i % 4)
        for i in range(round(len(pairs) * garbage / (1 - garbage)))
    ]
    rng.shuffle(pairs)
    return Planted([text for text, _ in pairs], np.array([intent for _, intent in pairs]))


def _junk(rng: random.Random, kind: int, vocabulary: list[str]) -> str:
    if kind == 0:
        return "".join(rng.choices("abcdefghijklmnop", k=rng.randint(1, 6))) + rng.choice(["", " ?", " lol"])
    if kind == 1:
        return " ".join([rng.choice(vocabulary)] * rng.randint(3, 12))
    if kind == 2:
        weights = [1 / (i + 1) for i in range(1500)]
        return " ".join(f"fremd{i}" for i in rng.choices(range(1500), weights, k=rng.randint(8, 15)))
    tags = ["div", "span", "class", "href", "li", "ul", "id", "br", "src", "img", "td", "tr", "px", "color"]
    pieces = (
        f"<{rng.choice(tags)} {rng.choice(tags)}='{rng.randrange(10**6)}'>" for _ in range(rng.randint(4, 9))
    )
    return " ".join(pieces)
