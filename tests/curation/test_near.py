"""The join finds exactly the pairs that comparing every text with every other finds."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest

from curation import near
from curation.near import components, similar_pairs
from curation.text import CHARACTERS, WORDS, shingle, words

THRESHOLDS = (0.05, 0.3, 0.5, 0.8, 0.9, 1.0)
VOCABULARY = [f"word{i}" for i in range(60)]
KANJI = "日月火水木金土山川田人口目耳手足力男女子"
ODD = [
    "",
    " ",
    "...",
    "one",
    "One!",
    "two words",
    "TWO WORDS",
    "春が来",
    "春が来",
    "😀",
    "😡",
    "ｶﾀｶﾅ",
    "カタカナ",
]


def edited(rng: random.Random, text: list[str], vocabulary: list[str] | str) -> list[str]:
    out = list(text)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(out) + 1)
        out[at : at + rng.randrange(2)] = [rng.choice(vocabulary)] * rng.randrange(2)
    return out


def corpus(seed: int, *, template: str = "") -> list[str]:
    rng = random.Random(seed)
    bases = [rng.choices(VOCABULARY, k=rng.randrange(1, 25)) for _ in range(25)]
    texts = [" ".join(edited(rng, rng.choice(bases), VOCABULARY)) for _ in range(180)]
    signs = [rng.choices(KANJI, k=rng.randrange(3, 20)) for _ in range(8)]
    texts += ["".join(edited(rng, rng.choice(signs), KANJI)) for _ in range(40)]
    return [template + text for text in texts] + ODD


def brute_force(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    """Every pair compared by its own sets; the sets are cut here, but for the choice of templates."""
    cut = shingle(texts)
    if cut.templates:
        rows = [frozenset(cut.sets[i].indices.tolist()) for i in range(len(texts))]
    else:
        rows = [grams(text) for text in texts]
    found = {}
    for a, b in combinations(range(len(texts)), 2):
        if rows[a] and rows[b]:
            similarity = len(rows[a] & rows[b]) / len(rows[a] | rows[b])
        else:
            similarity = float(not rows[a] and not rows[b] and words(texts[a]) == words(texts[b]))
        if similarity >= threshold:
            found[a, b] = similarity
    return found


def grams(text: str) -> frozenset[object]:
    tokens = words(text)
    size = (
        CHARACTERS
        if any(c in KANJI or "ァ" <= c <= "ン" or "ぁ" <= c <= "ん" for c in "".join(tokens))
        else WORDS
    )
    return frozenset(tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1))


@pytest.mark.parametrize("threshold", THRESHOLDS)
@pytest.mark.parametrize("template", ["", "the same eight words stand before every text. "])
def test_pairs_are_those_of_brute_force(threshold, template):
    texts = corpus(7, template=template)
    assert bool(shingle(texts).templates) == bool(template)
    pairs = similar_pairs(texts, threshold)
    expected = brute_force(texts, threshold)
    assert len(expected) > 20
    found = {(a, b): s for a, b, s in zip(*(c.tolist() for c in pairs), strict=True)}
    assert found == pytest.approx(expected)
    assert list(found) == sorted(found)


def test_blocks_meet(monkeypatch):
    texts = corpus(8)
    whole = similar_pairs(texts, 0.5)
    monkeypatch.setattr(near, "BLOCK", 7)
    for a, b in zip(similar_pairs(texts, 0.5), whole, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_order_of_texts_does_not_change_the_pairs():
    texts = corpus(9)
    order = random.Random(0).sample(range(len(texts)), len(texts))
    shuffled = similar_pairs([texts[i] for i in order], 0.5)
    back = {tuple(sorted((order[a], order[b]))) for a, b in zip(shuffled.left, shuffled.right, strict=True)}
    pairs = similar_pairs(texts, 0.5)
    assert back == set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


def test_components_chain_pairs():
    pairs = near.Pairs(np.array([0, 1, 4]), np.array([1, 2, 5]), np.ones(3))
    labels = components(6, pairs).tolist()
    assert labels[0] == labels[1] == labels[2]
    assert labels[4] == labels[5]
    assert len(set(labels)) == 3
