"""Selection is farthest-first above a density floor, and covers more than chance does."""

from __future__ import annotations

import math
import random
from collections import Counter

import numpy as np
import pytest

from curation.select import coverage, farthest_first, select, vectorise


def clustered(seed: int, sizes: tuple[int, ...], garbage: int = 0) -> list[str]:
    rng = random.Random(seed)
    texts = []
    for number, size in enumerate(sizes):
        theme = [f"theme{number}x{i}" for i in range(12)]
        texts += [" ".join(rng.choices(theme, k=10)) for _ in range(size)]
    texts += [" ".join(f"zz{rng.randrange(10**9)}" for _ in range(8)) for _ in range(garbage)]
    rng.shuffle(texts)
    return texts


def tfidf(texts: list[str]) -> list[dict[str, float]]:
    counts = [Counter(text.split()) for text in texts]
    documents = Counter(word for count in counts for word in count)
    vectors = []
    for count in counts:
        weights = {
            w: (1 + math.log(n)) * (1 + math.log((1 + len(texts)) / (1 + documents[w])))
            for w, n in count.items()
        }
        length = math.sqrt(sum(x * x for x in weights.values()))
        vectors.append({w: x / length for w, x in weights.items()})
    return vectors


def similarity(a: dict[str, float], b: dict[str, float]) -> float:
    return round(sum(x * b[w] for w, x in a.items() if w in b), 9)


def written_out(texts: list[str], k: int, floor: float) -> list[int]:
    """Farthest-first step by step, on vectors of its own."""
    vectors = tfidf(texts)
    like = [[similarity(a, b) for b in vectors] for a in vectors]
    density = [sum(row) / len(texts) for row in like]
    allowed = [i for i in range(len(texts)) if density[i] >= np.quantile(density, floor)]
    picks = [max(allowed, key=lambda i: (round(density[i], 9), -i))]
    while len(picks) < min(k, len(allowed)):
        rest = [i for i in allowed if i not in picks]
        picks.append(min(rest, key=lambda i: (max(like[i][p] for p in picks), i)))
    return picks


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("k", "floor"), [(1, 0.0), (12, 0.0), (30, 0.1), (58, 0.2)])
def test_the_picks_are_those_of_the_algorithm_written_out(seed, k, floor):
    texts = clustered(seed, (20, 15, 15, 5), garbage=5)
    assert select(texts, k, floor=floor).picks == written_out(texts, k, floor)


def test_the_same_prompts_give_the_same_picks():
    texts = clustered(1, (30, 30), garbage=4)
    assert select(texts, 10) == select(texts, 10)


@pytest.mark.parametrize("seed", range(5))
def test_it_covers_more_than_chance_and_leaves_garbage_out(seed):
    texts = clustered(seed, (60, 40, 20, 10, *[6] * 20), garbage=15)
    done = select(texts, 24, floor=0.06, seed=seed)
    assert done.coverage > done.random_coverage + 0.05
    assert not [i for i in done.picks if texts[i].startswith("zz")]
    assert len({texts[i].split("x")[0] for i in done.picks}) >= 23


def test_the_shared_template_does_not_count():
    texts = clustered(3, (30, 20, 10))
    policy = "The same words stand before every message of this file: "
    assert select([policy + t for t in texts], 10).picks == select(texts, 10).picks


@pytest.mark.parametrize("k", [60, 61, 1000])
def test_all_are_picked_when_all_are_wanted(k):
    done = select(clustered(1, (60,)), k)
    assert done.picks == list(range(60))
    assert (done.below_floor, done.coverage) == ([], 1.0)


def test_what_is_below_the_floor_is_never_picked_and_is_told():
    texts = clustered(2, (40, 40), garbage=20)
    done = select(texts, 90, floor=0.2)
    assert sorted(texts[i][:2] for i in done.below_floor) == ["zz"] * 20
    assert sorted([*done.picks, *done.below_floor]) == list(range(100))


@pytest.mark.parametrize("texts", [["", " ", "..."], ["?"] * 5, ["same words here"] * 5, []])
def test_texts_that_cannot_be_told_apart_are_no_trouble(texts):
    done = select(texts, 2)
    assert len(done.picks) == min(2, len(texts))
    assert len(set(done.picks)) == len(done.picks)


def test_coverage_is_the_mean_similarity_to_the_nearest_pick():
    vectors = vectorise(["a b", "a b", "c d", "c d"])
    assert coverage(vectors, [0]) == pytest.approx(0.5)
    assert coverage(vectors, [0, 2]) == pytest.approx(1.0)
    assert coverage(vectors, []) == 0.0
    picks = farthest_first(vectors, 4, np.ones(4), allowed=np.array([True, False, True, True]))
    assert picks == [0, 2, 3]
