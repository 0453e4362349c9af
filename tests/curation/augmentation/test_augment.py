"""Noisy children keep what carries the label: answer, family, numbers, code, negation, shared text."""

from __future__ import annotations

import json
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.augmentation import augment as module
from curation.augmentation.augment import Checks
from curation.augmentation.settings import ALL, Augment
from curation.augmentation.thesaurus import read_thesaurus
from curation.errors import UserError
from curation.heldout import freeze
from curation.recipe import Dedup
from curation.redact import redact
from curation.rows import ROWS, answer_text, frame, make_row, prompt_text, row_id
from curation.split import assign_families, assign_splits
from curation.state import begin
from curation.steps import run_step

POLICY = "Decide whether the message below is harmful to somebody. Answer safe or unsafe."


def augment(
    rows: pl.DataFrame, share: float, seed: int = 0, checks: Checks | None = None, **more: Any
) -> pl.DataFrame:
    return module.augment(rows, Augment(share=share, seed=seed, **more), checks).children


def corpus(count: int = 60) -> pl.DataFrame:
    rng = random.Random(5)
    own = [
        " ".join(rng.choices(["apple", "banana", "cherry", "orange", "lemon", "melon", "42", "not"], k=9))
        + "."
        for _ in range(count)
    ]
    return frame(
        make_row(
            [
                {"role": "system", "content": "Be very careful always."},
                {"role": "user", "content": f"{POLICY}\nMessage {i}: {text}"},
                {"role": "assistant", "content": "certainly unsafe answer"},
            ],
            tags=["guard"],
            source="s",
            line=i,
            family=f"f{i}",
        )
        for i, text in enumerate(own)
    )


@pytest.mark.slow
def test_children_keep_answer_family_place_and_name_their_one_parent():
    rows = corpus()
    parents = {row["id"]: row for row in rows.iter_rows(named=True)}
    children = augment(rows, share=0.5)
    assert children.height == 30
    assert children.schema == ROWS
    assert children["parents"].list.first().n_unique() == 30
    for child in children.iter_rows(named=True):
        (parent,) = (parents[p] for p in child["parents"])
        assert [child[k] for k in ("family", "source", "line")] == [
            parent[k] for k in ("family", "source", "line")
        ]
        assert answer_text(child["messages"]) == answer_text(parent["messages"])
        assert child["messages"][0] == parent["messages"][0]
        assert child["messages"][1]["content"] != parent["messages"][1]["content"]
        assert child["messages"][1]["content"].split("\n")[0] == POLICY
        assert child["tags"][:2] == ["guard", "augmented"]
        assert child["tags"][2] in ALL
        assert child["id"] == row_id(child["messages"])


def test_a_child_names_its_parents_own_id_and_has_another():
    rows = corpus(10).with_columns(meta=pl.concat_str(pl.lit('{"id":"r'), "line", pl.lit('","score":1}')))
    children = augment(rows, share=0.5)
    line = dict(rows.select("id", "line").iter_rows())
    assert children.height == 5
    for child in children.iter_rows(named=True):
        assert json.loads(child["meta"]) == {
            "id": child["id"],
            "made_from": f"r{line[child['parents'][0]]}",
            "score": 1,
        }


def test_the_same_rows_in_any_order_and_seed_give_the_same_children():
    rows = corpus()
    first = augment(rows, share=0.3, seed=1)
    assert augment(rows, share=0.3, seed=1).equals(first)
    assert augment(rows.sample(fraction=1, shuffle=True, seed=9), share=0.3, seed=1).equals(first)
    assert not augment(rows, share=0.3, seed=2).equals(first)


def test_rows_without_words_of_their_own_have_no_children():
    turns = [{"role": "user", "content": POLICY}, {"role": "assistant", "content": "safe"}]
    same = frame(make_row(turns, source="s", line=i) for i in range(40))
    assert augment(same, share=1).height == 0
    assert augment(frame([make_row([{"role": "assistant", "content": "alone here"}])]), share=1).height == 0
    assert augment(frame([]), share=1).height == 0


def test_equal_rows_are_no_trouble():
    rows = pl.concat([corpus(10), corpus(10).with_columns(line=pl.col("line") + 100)])
    children = augment(rows, share=0.5)
    assert 0 < children["id"].n_unique() == children.height <= 10


def test_placeholders_survive():
    turns = [{"role": "user", "content": "Please write someone@example.org about everything"}]
    rows, _ = redact(frame([make_row(turns, source="s", line=i) for i in range(1)]))
    for seed in range(10):
        for child in augment(rows, share=1, seed=seed).iter_rows(named=True):
            assert "[EMAIL]" in child["messages"][0]["content"]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1])
def test_the_share_is_kept(share):
    assert augment(corpus(), share=share).height == round(share * 60)


def test_every_operation_is_used_and_only_those_that_are_named():
    assert set(augment(corpus(), share=0.9)["tags"].list.get(2)) == set(ALL) - {"contraction"}
    assert set(augment(corpus(), share=0.4, operations=("typo",))["tags"].list.get(2)) == {"typo"}


def test_no_parent_has_more_children_than_allowed_and_each_refusal_is_counted():
    done = module.augment(corpus(20), Augment(share=5, per_parent=3, operations=("typo", "spacing")))
    sizes = done.children["parents"].list.first().value_counts()["count"]
    assert (sizes.max(), done.wanted) == (3, 100)
    assert done.children.height <= 60
    assert done.refused["cap per parent"] > 0
    assert done.children["id"].is_unique().all()


def test_the_label_is_checked_last_and_each_reason_is_counted():
    asked = []

    def check(pairs: list[module.Pair]) -> list[str | None]:
        asked.extend(pairs)
        return ["label" if "typo" in child["tags"] else None for _, child in pairs]

    rows = corpus(10)
    heldout = [freeze("held", rows.head(3))]
    done = module.augment(rows, Augment(share=1), Checks(label=check, heldout=heldout))
    assert done.refused["label"] > 0
    assert not any("typo" in tags for tags in done.children["tags"])
    assert len(asked) == done.children.height + done.refused["label"]
    assert all(child["parents"] == [parent["id"]] for parent, child in asked)
    assert not set(rows["id"][:3]) & {parent["id"] for parent, _ in asked}  # what goes anyway costs nothing


def test_where_no_more_can_be_checked_it_ends():
    left = iter([False, True])
    done = module.augment(
        corpus(10), Augment(share=1), Checks(label=lambda p: ["label"] * len(p), ended=left.__next__)
    )
    assert done.children.height == 0
    assert 0 < done.refused["label"] <= 10


def test_why_there_are_fewer_is_told():
    assert "not one row" in module.augment(corpus(3), Augment(share=0.1)).why_fewer
    same = frame(make_row([{"role": "user", "content": POLICY}], source="s", line=i) for i in range(40))
    assert "words of its own" in module.augment(same, Augment(share=1)).why_fewer
    assert "guard copy" in module.augment(corpus(9), Augment(share=1, operations=("contraction",))).why_fewer
    assert not module.augment(corpus(10), Augment(share=0.5)).why_fewer


THESAURUS = """UTF-8
apple|2
(noun)|pome|fruit tree|edible fruit (generic term)
(verb)|Apple|appel
banana|1
(noun)|plantain
not|1
(adv)|nary
"""


def test_synonyms_come_from_a_file_and_leave_what_carries_the_label(tmp_path):
    path = tmp_path / "th.dat"
    path.write_text(THESAURUS, encoding="utf8")
    thesaurus = read_thesaurus(path)
    assert thesaurus == {"apple": ("pome", "appel"), "banana": ("plantain",), "not": ("nary",)}
    done = module.augment(corpus(20), Augment(share=0.5), thesaurus=thesaurus)
    assert done.children.height == 10
    assert set(done.children["tags"].list.get(2)) == {"synonym"}
    old = {row["id"]: prompt_text(row["messages"]).split() for row in corpus(20).iter_rows(named=True)}
    for child in done.children.iter_rows(named=True):
        pairs = zip(old[child["parents"][0]], prompt_text(child["messages"]).split(), strict=True)
        changed = [(a.strip("."), b.strip(".")) for a, b in pairs if a != b]
        assert 1 <= len(changed) <= 2
        assert all(b in thesaurus[a] for a, b in changed)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (b"UTF-8\nno entry\n", ":2"),
        (b"UTF-8\na|1\n(n)|b\nc|x\n", ":4"),
        (b"UTF-8\na|1\n(n)|b\nc|2\n(n)|d", ":4"),
        (b"UTF-8\n", ""),
        (b"KOI9\na|0\n", ""),
        (b"ascii\n\xff|0", ""),
    ],
)
def test_what_is_no_thesaurus_is_named(tmp_path, content, where):
    path = tmp_path / "th.dat"
    path.write_bytes(content)
    with pytest.raises(UserError) as fault:
        read_thesaurus(path)
    assert fault.value.where == f"{path}{where}"


def test_no_child_is_near_a_row_that_is_not_its_parent():
    rows = corpus(30)
    twin = rows[:1].with_columns(id=pl.lit("another"), messages=pl.Series([said(rows, 0, " indeed")]))
    quiet = Augment(share=1, operations=("case", "spacing", "punctuation"))
    done = module.augment(pl.concat([rows, twin]), quiet)
    assert not {rows["id"][0], "another"} & set(done.children["parents"].list.first())
    assert done.refused["novelty"] > 0


def said(rows: pl.DataFrame, number: int, more: str) -> list[dict[str, Any]]:
    system, user, answer = rows["messages"][number].to_list()
    return [system, {**user, "content": user["content"] + more}, answer]


def test_no_child_is_near_a_held_out_item():
    rows = corpus(30)
    items = frame([make_row(said(rows, 3, ""), source="held")])
    done = module.augment(rows, Augment(share=1), Checks(heldout=[freeze("held", items)]))
    assert rows["id"][3] not in set(done.children["parents"].list.first())
    assert done.refused["held-out"] > 0


WORDS = [
    "river",
    "mountain",
    "lantern",
    "copper",
    "violet",
    "harvest",
    "window",
    "marble",
    "thunder",
    "basket",
]
prompts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=3, max_size=9).map(" ".join), min_size=1, max_size=15
)


@settings(deadline=None)
@given(prompts, st.integers(0, 5), st.integers(1, 3))
def test_a_child_stays_in_the_split_of_its_parent(texts, seed, per_parent):
    rows = frame(
        make_row(
            [{"role": "user", "content": f"{t}?"}, {"role": "assistant", "content": "Yes."}],
            source="s",
            line=i,
        )
        for i, t in enumerate(texts)
    )
    children = augment(rows, share=3, seed=seed, per_parent=per_parent)
    table = assign_splits(assign_families(pl.concat([rows, children])), {"train": 0.5, "validation": 0.5})
    split = dict(table.select("id", "split").rows())
    for child in table.filter(pl.col("tags").list.contains("augmented")).iter_rows(named=True):
        assert child["split"] == split[child["parents"][0]]


@settings(deadline=None, max_examples=20)
@given(prompts, st.integers(0, 5))
def test_a_child_in_a_file_of_its_own_has_the_family_of_its_parent_in_another(texts, seed):
    turns = ([{"role": "user", "content": t}, {"role": "assistant", "content": "Yes."}] for t in set(texts))
    rows = frame(make_row(t, source="s", line=i) for i, t in enumerate(turns))
    children = augment(rows, share=3, seed=seed, per_parent=3)
    for row in rows.iter_rows(named=True):
        its_own = assign_families(children.filter(pl.col("parents").list.contains(row["id"])))
        assert set(its_own["family"]) <= set(assign_families(frame([row]))["family"])


@pytest.mark.slow
def test_deduplication_leaves_children_be_and_takes_them_out_with_their_parent():
    rows = corpus(30)
    children = augment(rows, share=0.8, operations=("case", "spacing", "punctuation"))
    twice = run_step(begin(pl.concat([rows, children, children])), Dedup())
    assert sorted(twice.rows["id"]) == sorted([*rows["id"], *children["id"]])
    assert twice.tallies[0].dropped == {"exact duplicate": children.height}
    parent = children["parents"][0][0]
    place = rows["id"].to_list().index(parent)
    longer = frame([make_row(said(rows, place, " "), source="s", line=99)])
    state = run_step(begin(pl.concat([rows, children, longer])), Dedup())
    assert parent not in set(state.rows["id"])
    assert children["id"][0] not in set(state.rows["id"])
    assert "made from a row that went" in set(state.drops["reason"])


def test_what_was_made_once_is_not_made_again_and_has_no_children():
    rows = corpus(30)
    once = pl.concat([rows, augment(rows, share=0.9)])
    again = augment(once, share=0.9, seed=1)
    assert not set(again["id"]) & set(once["id"])
    assert set(again["parents"].list.first()) <= set(rows["id"])
