"""Families stay together, and a row never changes its split as data grows."""

from __future__ import annotations

import random

import polars as pl
import pytest

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.near import similar_pairs
from curation.rows import frame, make_row, prompt_text
from curation.split import assign_families, assign_splits, split_of

HALVES = {"train": 0.5, "validation": 0.5}


def chat(prompt: str, line: int = 1, **more) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": f"answer {line}"}]
    return make_row(turns, source="s", line=line, **more)


def corpus(seed: int, bases: int = 60, each: int = 3) -> pl.DataFrame:
    """Rows whose prompts are edits, one word each, of some base prompts."""
    rng = random.Random(seed)
    rows = []
    for _ in range(bases):
        prompt = [f"w{rng.randrange(10_000)}" for _ in range(60)]
        for _ in range(each):
            text = list(prompt)
            text[rng.randrange(60)] = f"edit{rng.randrange(10_000)}"
            rows.append(chat(" ".join(text), len(rows)))
    return frame(rows)


def test_similar_rows_have_one_family_named_after_its_smallest_id():
    rows = assign_families(corpus(1))
    families = rows.group_by("family").agg("id", base=(pl.col("line") // 3).n_unique())
    for family in families.iter_rows(named=True):
        assert family["family"] == min(family["id"])
        assert family["base"] == 1
    names = rows["family"].to_list()
    pairs = similar_pairs([prompt_text(m) for m in rows["messages"].to_list()], 0.8)
    assert len(pairs.left) > 100
    assert all(names[a] == names[b] for a, b in zip(pairs.left, pairs.right, strict=True))


def test_a_family_is_never_torn_apart():
    rows = assign_splits(assign_families(corpus(2)), HALVES)
    assert rows.group_by("family").agg(pl.col("split").n_unique())["split"].max() == 1
    assert rows["split"].n_unique() == 2


def test_a_row_never_changes_its_split_as_data_grows():
    rng = random.Random(3)
    everything = corpus(3).sample(fraction=1, shuffle=True, seed=3)
    known = everything.head(0)
    splits: dict[str, str] = {}
    while known.height < everything.height:
        more = everything.slice(known.height, rng.randrange(5, 40))
        placed = assign_splits(assign_families(pl.concat([known, more])), HALVES)
        for identity, split in placed.select("id", "split").rows():
            assert splits.setdefault(identity, split) == split
        known = placed.drop("split")
    names = assign_families(everything).sort("id")["id"]
    assert sorted(splits) == names.to_list()


def test_a_new_row_takes_the_family_of_the_old_rows_that_it_resembles():
    old = [chat(f"one two three four five six seven eight nine ten {w}", 1, family="old") for w in ("x", "y")]
    rows = assign_families(frame([*old, chat("one two three four five six seven eight nine ten z", 2)]))
    assert rows["family"].to_list() == ["old"] * 3


def test_a_row_with_a_family_keeps_it_even_beside_another():
    text = "one two three four five six seven"
    rows = frame([chat(text, 1, family="b"), chat(text, 2, family="a"), chat(text, 3)])
    assert assign_families(rows)["family"].to_list() == ["b", "a", "a"]


def test_children_stay_with_their_parent_however_noisy():
    rng = random.Random(6)
    parents = frame([chat(f"say {''.join(rng.choices('abcdefgh', k=7))} please", i) for i in range(60)])
    children = augment(parents, Augment(share=1)).children
    assert children.height > 10
    assert not similar_pairs([prompt_text(m) for m in children["messages"].to_list()], 0.8).left.size
    rows = assign_families(pl.concat([parents, children]))
    family = dict(rows.select("id", "family").rows())
    for child, of in children.select("id", "parents").rows():
        assert family[child] == family[of[0]]


def test_the_order_of_rows_does_not_change_families_nor_splits():
    rows = corpus(4)
    columns = ["id", "family", "split"]
    first = assign_splits(assign_families(rows), HALVES).select(columns).sort("id")
    again = assign_splits(assign_families(rows.reverse()), HALVES).select(columns).sort("id")
    assert again.equals(first)


@pytest.mark.parametrize(
    "ratios",
    [{"train": 0.8, "validation": 0.2}, {"train": 0.7, "validation": 0.2, "test": 0.1}, {"train": 1.0}],
)
def test_the_ratio_comes_out(ratios):
    found = [split_of(f"family {i}", ratios) for i in range(5000)]
    assert {name: found.count(name) / 5000 for name in ratios} == pytest.approx(ratios, abs=0.02)
    assert set(found) == set(ratios)


def test_a_larger_first_share_only_moves_families_into_it():
    for i in range(500):
        if split_of(f"f{i}", {"train": 0.6, "validation": 0.4}) == "train":
            assert split_of(f"f{i}", {"train": 0.8, "validation": 0.2}) == "train"


def test_shares_that_miss_one_by_rounding_lose_no_family():
    assert {split_of(f"f{i}", {"train": 0.1, "validation": 0.2}) for i in range(200)} == {
        "train",
        "validation",
    }


def test_no_rows():
    assert assign_splits(assign_families(frame([])), HALVES).height == 0
