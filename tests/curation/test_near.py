"""The join finds exactly the pairs that comparing every text with every other finds."""

from __future__ import annotations

import random
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.near import nearest_items, own_or_shared, similar_pairs
from curation.near import prefixes as prefixes_
from curation.near.apart import NEITHER, Known, families
from curation.near.filters import Groups, Profiles, mark, pass_by_bitmap, pass_by_place
from curation.near.pipeline import cut, of_list
from curation.near.prefixes import band_length
from tests.curation.plain_near import connected, jaccard, pairs, shared_text, shingles

THRESHOLDS = (0.3, 0.5, 0.7, 0.8, 0.9, 1.0)
TEMPLATE = "the same eight words stand before every text "
KANJI = "日月火水木金土山川田人口目耳手足力男女子"
SCRIPTS = [
    "नमस्ते दुनिया कैसे हो तुम",
    "привет как твои дела",
    "안녕 세계 오늘 날씨",
    "สวัสดีชาวโลกทั้งหลาย",
    "mixed 春が来た text here",
]
ODD = [
    "",
    " ",
    "...",
    ".",
    "one",
    "One!",
    "one.",
    "two words",
    "TWO  words.",
    "春が来",
    "😀",
    "😡",
    "👍️",
    "ｶﾀｶﾅ",
    "カタカナ",
    "a_b c-d e",
]


def found(texts: list[str], threshold: float, **more) -> dict[tuple[int, int], float]:
    left, right, similarity = similar_pairs(texts, threshold, **more)
    assert list(zip(left, right, strict=True)) == sorted(zip(left, right, strict=True))
    return {(int(a), int(b)): float(s) for a, b, s in zip(left, right, similarity, strict=True)}


def edited(rng: random.Random, text: list[str], vocabulary: list[str] | str, most: int = 4) -> list[str]:
    out = list(text)
    for _ in range(rng.randrange(most)):
        at = rng.randrange(len(out) + 1)
        out[at : at + rng.randrange(2)] = [rng.choice(vocabulary)] * rng.randrange(2)
    return out


def corpus(seed: int, *, template: str = "", count: int = 400, bases: int = 60) -> list[str]:
    rng = random.Random(seed)
    vocabulary = [f"Word{i}" for i in range(80)]
    base = [rng.choices(vocabulary, k=rng.randrange(1, 45)) for _ in range(bases)]
    texts = [" ".join(edited(rng, rng.choice(base), vocabulary)) for _ in range(count)]
    signs = [rng.choices(KANJI, k=rng.randrange(3, 30)) for _ in range(8)]
    texts += ["".join(edited(rng, rng.choice(signs), KANJI)) for _ in range(40)]
    texts += [" ".join(edited(rng, rng.choice(SCRIPTS).split(), ["x", "ж"])) for _ in range(30)]
    return [template + text for text in texts] + ODD


@pytest.mark.parametrize("template", ["", TEMPLATE])
def test_pairs_are_those_of_brute_force(template):
    texts = corpus(7, template=template)
    assert bool(shared_text(texts)) == bool(template)
    sets = shingles(texts)
    for threshold in THRESHOLDS:
        expected = pairs(sets, threshold)
        assert len(expected) > 20
        assert found(texts, threshold) == pytest.approx(expected)


def test_thousands_of_rows_with_random_edits():
    texts = corpus(8, count=2000, bases=500)
    sets = shingles(texts)
    expected = pairs(sets, 0.5)
    for threshold in (0.5, 0.6, 0.75, 0.8, 0.95):
        some = {pair: s for pair, s in expected.items() if s >= threshold - 1e-12}
        assert found(texts, threshold) == pytest.approx(some)


def power_law(rng: random.Random) -> list[str]:
    words = [f"w{i}" for i in range(300)]
    bases = [rng.choices(words, k=30) for _ in range(40)]
    return [" ".join(edited(rng, bases[min(39, int(rng.paretovariate(0.6)))], words, 3)) for _ in range(600)]


def one_cluster(rng: random.Random) -> list[str]:
    """Prose, and a tenth of the texts near-duplicates of one: no template, as little else is left of them."""
    words = [f"w{i}" for i in range(3000)]
    base = rng.choices(words, k=40)
    return [
        " ".join(edited(rng, base, words, 2) if i % 10 == 0 else rng.choices(words, k=30)) for i in range(700)
    ]


def hard_inputs() -> dict[str, list[str]]:
    rng = random.Random(3)
    words = [f"w{i}" for i in range(5000)]
    long = rng.choices(words, k=100_000)
    return {
        "all equal": ["all rows are the same text"] * 150,
        "all empty": [""] * 60,
        "one word": ["yes"] * 40 + ["no"] * 30 + [f"w{i}" for i in range(50)],
        "many short ones": ["hi", "", "你好", "two words"] * 30
        + [" ".join(rng.choices(words, k=9)) for _ in range(99)],
        "one template": [TEMPLATE + " ".join(rng.choices(words, k=rng.randrange(12))) for _ in range(300)],
        "template and a word": [TEMPLATE * 3 + rng.choice(words) for _ in range(120)],
        "a cluster": one_cluster(rng),
        "a power law": power_law(rng),
        "very long": [
            " ".join(long),
            " ".join(long[:-9000]),
            " ".join(long[:70_000]),
            "short text of five words",
        ],
        "one": ["only one text here"],
        "none": [],
    }


@pytest.mark.parametrize("name", hard_inputs())
def test_hard_inputs(name):
    texts = hard_inputs()[name]
    sets = shingles(texts)
    for threshold in (0.5, 0.8):
        assert found(texts, threshold) == pytest.approx(pairs(sets, threshold))


@given(
    st.lists(
        st.text(alphabet="ab A.,\n_é\u0301\u3042\u4e00\u0e2a\u0e31İßﬁΣ😀\u2028", max_size=14), max_size=25
    )
)
@settings(deadline=None, max_examples=60)
def test_any_text_is_cut_as_plain_python_cuts_it(texts):
    assert found(texts, 0.5) == pytest.approx(pairs(shingles(texts), 0.5))


@given(st.randoms(use_true_random=False), st.sampled_from(THRESHOLDS))
@settings(deadline=None, max_examples=15)
def test_order_threads_and_blocks_do_not_change_the_pairs(rng, threshold):
    texts = corpus(rng.randrange(10**6), count=120, bases=15)
    one = found(texts, threshold, threads=1)
    assert found(texts, threshold, threads=3) == one
    order = rng.sample(range(len(texts)), len(texts))
    shuffled = found([texts[i] for i in order], threshold)
    assert {(*sorted((order[a], order[b])), s) for (a, b), s in shuffled.items()} == {
        (*p, s) for p, s in one.items()
    }


@given(st.randoms(use_true_random=False), st.sampled_from([0.3, 0.8]))
@settings(deadline=None, max_examples=40)
def test_whoever_passes_the_filters_is_marked_whatever_was_marked_before(rng, threshold):
    texts = rng.randrange(2, 12)
    bitmaps = np.array([[1 << rng.randrange(5)] * 8 for _ in range(texts)], np.uint64)
    profiles = Profiles(np.array(rng.choices([8, 9, 20], k=texts), np.int32), bitmaps)
    members = [rng.sample(range(texts), rng.randrange(2, texts + 1)) for _ in range(rng.randrange(6))]
    places = [[rng.randrange(-1, 5) for _ in group] for group in members]
    marked = np.zeros(texts, np.bool_)
    flat = [np.array([*chain(*of)], np.int32) for of in (members, places)]
    mark(Groups(*flat, np.array([len(group) for group in members], np.int64)), profiles, threshold, marked)
    expected = {
        a
        for group, at in zip(members, places, strict=True)
        for i, a in enumerate(group)
        for k, b in enumerate(group)
        if a != b
        and pass_by_place(profiles.sizes[a], at[i], profiles.sizes[b], at[k], threshold)
        and pass_by_bitmap(profiles.sizes[a], bitmaps[a], profiles.sizes[b], bitmaps[b], threshold)
    }
    assert set(np.flatnonzero(marked)) == expected


def test_several_blocks(monkeypatch):
    texts = corpus(9, template=TEMPLATE)
    whole = found(texts, 0.5)
    monkeypatch.setattr("curation.near.pipeline.BLOCK", 37)
    assert found(texts, 0.5) == whole


def test_a_held_out_item_is_found_and_is_no_template():
    rng = random.Random(5)
    item = " ".join(rng.choices([f"w{i}" for i in range(900)], k=40))
    texts = [" ".join(rng.choices([f"w{i}" for i in range(900)], k=4)) + " " + item for _ in range(40)]
    best, similar = nearest_items(
        [*texts, "something else that nobody holds"], ["an other item of five", item], 0.8
    )
    assert best.tolist() == [1] * 40 + [-1]
    assert similar[0] == pytest.approx(jaccard(*shingles([texts[0], item], counted=True)))


def test_the_nearest_item_is_the_most_similar_one():
    texts = corpus(11, count=200, bases=20)
    items, rows = texts[:30], texts[30:]
    best, similar = nearest_items(rows, items, 0.5)
    sets = shingles(texts, counted=True)
    for i in range(len(rows)):
        each = [jaccard(sets[30 + i], sets[k]) for k in range(30)]
        assert similar[i] == pytest.approx(max(each) if max(each) >= 0.5 else 0.0)
        assert best[i] == (each.index(max(each)) if max(each) >= 0.5 else -1)


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_families_chain_pairs_and_given_edges(threshold):
    texts = corpus(12)
    edges = [(0, 5), (7, 100)]
    ends = tuple(np.array(side, np.int64) for side in zip(*edges, strict=True))
    expected = connected(len(texts), [*pairs(shingles(texts), threshold), *edges])
    known = Known(np.arange(len(texts)), np.full(len(texts), NEITHER, np.int8), *ends)
    assert families(cut(*of_list(texts)), threshold, known).first.tolist() == expected


def test_long_texts_are_found_by_their_bands(monkeypatch):
    """With so small a limit most texts are long, some pairs straddle it; all but a few are found."""
    rng = random.Random(13)
    words = [f"w{i}" for i in range(20_000)]
    bases = [rng.choices(words, k=2600) for _ in range(12)]
    texts = [" ".join(edited(rng, rng.choice(bases), words, 120)) for _ in range(80)]
    expected = pairs(shingles(texts, counted=True), 0.8)
    assert len(expected) > 100
    monkeypatch.setattr(prefixes_, "LONG", 2500)
    assert found(texts, 0.8).items() <= expected.items()
    assert len(found(texts, 0.8)) >= 0.99 * len(expected)


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.8, 0.9, 0.95])
def test_bands_miss_few_pairs_at_the_threshold(threshold):
    r = band_length(threshold)
    assert (1 - threshold**r) ** (256 // r) <= 1e-4
    assert r in {1, 16} or (1 - threshold ** (r + 1)) ** (256 // (r + 1)) > 1e-4


def own_words(texts):
    return [" ".join(word for word, own in marked if own) for marked in own_or_shared(texts)]


def test_the_words_of_shared_text_are_told_apart():
    rng = random.Random(1)
    own = [" ".join(f"{rng.choice('bcdfgh')}{rng.randrange(900)}" for _ in range(10)) for _ in range(40)]
    assert own_words([TEMPLATE + text for text in own]) == own
    assert own_words(own) == own
    assert own_words([]) == []
