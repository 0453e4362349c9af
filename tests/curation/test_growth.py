"""A snapshot that grows: only what is new is written, and it says the same as one with all rows."""

from __future__ import annotations

import random
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import parent, snapshot
from curation.contents import contents_of
from curation.difference import diff
from curation.errors import UserError
from curation.heldout import freeze, without_heldout
from curation.manifest import chain, missing_parent, read_manifest
from curation.near import similar_pairs
from curation.parent import Growth, grown_to
from curation.rows import frame, make_row, prompt_text
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.stored import read_rows
from curation.strata import counted, stratified
from curation.verify import verify

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]


def prose(seed: object, length: int = 20) -> list[str]:
    return random.Random(str(seed)).choices(WORDS, k=length)


def chat(prompt: str, line: int, **more):
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": f"answer {line}"}]
    return make_row(turns, source=more.pop("source", "s"), line=line, **more)


def corpus(numbers, **more) -> pl.DataFrame:
    return frame(chat(" ".join(prose(i)), i, **more) for i in numbers)


def write(root, rows, growth=None, **more):
    options = {"recipe": {}, "split": Split(), "heldout": []} | more
    return write_snapshot(root, begin(rows), growth=growth, **options)


def test_what_it_had_stays_what_comes_is_added_and_what_goes_is_gone(tmp_path):
    first = write(tmp_path, corpus(range(40), tags=["a"]))
    gone = corpus(range(3))["id"].to_list()
    second = write(tmp_path, corpus(range(40, 50), tags=["b"]), Growth(first.id, gone))
    third = write(tmp_path, corpus([0, 60]), Growth(second.id, corpus([41])["id"].to_list()))
    rows = read_rows(tmp_path / third.id)
    assert sorted(rows["line"]) == sorted([*range(3, 41), *range(42, 50), 0, 60])
    assert sum(third.splits.values()) == rows.height
    assert third.contents == contents_of(rows)
    assert [m.id for m in chain(tmp_path / third.id)] == [third.id, second.id, first.id]
    assert third.layers == [first.id, second.id, third.id]
    for manifest in (first, second, third):
        assert verify(tmp_path / manifest.id) == []
    before = dict(read_rows(tmp_path / first.id).select("id", "split").rows())
    assert all(before[i] == split for i, split in rows.select("id", "split").rows() if i in before)


def test_old_rows_are_neither_written_nor_copied_again(tmp_path):
    first = write(tmp_path, corpus(range(40)))
    second = write(tmp_path, corpus([99]), Growth(first.id))
    for name in ("train.parquet", "validation.parquet"):
        old, new = (tmp_path / manifest.id / name for manifest in (first, second))
        assert old.samefile(new)
        assert second.files[name] == first.files[name]


def test_a_file_that_is_not_the_parents_is_found(tmp_path):
    first = write(tmp_path, corpus(range(40)))
    second = write(tmp_path, corpus([99]), Growth(first.id))
    path = tmp_path / second.id / "train.parquet"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data + b" ")
    assert verify(tmp_path / second.id) == ["train.parquet: changed since it was written"]
    assert verify(tmp_path / first.id) == []


def test_the_parent_must_be_there(tmp_path):
    with pytest.raises(UserError, match="no such snapshot"):
        write(tmp_path, corpus([1]), Growth("0" * 16))


def test_all_rows_against_a_parent_are_what_differs(tmp_path):
    first = write(tmp_path, corpus(range(30)))
    told = pl.concat([corpus(range(5, 20)), corpus(range(20, 30), tags=["new"]), corpus(range(30, 35))])
    curated, growth = grown_to(tmp_path, first, begin(told))
    assert sorted(curated.rows["line"]) == list(range(20, 35))
    assert growth is not None
    second = write_snapshot(tmp_path, curated, recipe={}, split=Split(), heldout=[], growth=growth)
    rows = read_rows(tmp_path / second.id)
    assert sorted(rows.select("id", "tags").rows()) == sorted(told.select("id", "tags").rows())
    splits = dict(read_rows(tmp_path / first.id).select("id", "split").rows())
    assert all(splits.get(i, split) == split for i, split in rows.select("id", "split").rows())


def test_a_row_of_which_the_source_says_something_else_is_changed_in_its_split(tmp_path):
    first = write(tmp_path, corpus(range(60), meta='{"weight":1.0}'), split=Split(0.5, 0.5))
    told = pl.concat(
        [corpus(range(20), meta='{"weight": 1.0}'), corpus(range(20, 60), meta='{"license":"mit"}')]
    )
    curated, growth = grown_to(tmp_path, first, begin(told))
    assert sorted(curated.rows["line"]) == list(range(20, 60))
    second = write_snapshot(tmp_path, curated, recipe={}, split=Split(0.1, 0.9), heldout=[], growth=growth)
    rows = read_rows(tmp_path / second.id)
    assert rows.height == 60
    assert set(rows.filter(pl.col("line") >= 20)["meta"]) == {'{"license":"mit"}'}
    assert second.contents.licences == {"mit": 40, "not given": 20}
    assert second.splits == first.splits
    found = diff(tmp_path / first.id, tmp_path / second.id)
    assert [part.height for part in found] == [0, 0, 0, 40, 0]
    assert sorted(found.edited["id"]) == sorted(rows.filter(pl.col("line") >= 20)["id"])
    assert '\\"license\\":\\"mit\\"' in found.edited["says_new"][0]
    assert verify(tmp_path / second.id) == []


def test_the_counts_of_a_grown_snapshot_add_up(tmp_path):
    first = write(tmp_path, corpus(range(40)))
    told = pl.concat([corpus(range(1, 40)), corpus(range(50, 55))])
    curated, growth = grown_to(tmp_path, first, begin(told))
    late = [freeze("late", corpus([7, 8, 50]))]
    second = write_snapshot(tmp_path, curated, recipe={}, split=Split(), heldout=late, growth=growth)
    for tally in second.steps:
        explained = sum(tally.dropped.values()) - tally.old + tally.notes.get("same", 0)
        assert tally.rows_in - tally.rows_out == explained
    assert [(t.step, t.rows_in, t.rows_out, t.old) for t in second.steps] == [
        ("grow", 44, 5, 0),
        ("heldout", 5, 4, 2),
        ("split", 4, 4, 0),
    ]
    told_by_card = (tmp_path / second.id / "README.md").read_text()
    assert "| grow | 44 | 5 | 0; 39 are the parent's already |" in told_by_card
    assert "| heldout | 5 | 4 | 3, 2 of them rows that the parent had |" in told_by_card
    assert second.splits == dict(sorted(read_rows(tmp_path / second.id)["split"].value_counts().rows()))


def test_realised_shares_do_not_count_rows_that_went(tmp_path):
    for by in ("", "tag"):
        how = Split(stratify=by)
        first = write(tmp_path, corpus(range(100), tags=["a"]), split=how)
        gone = read_rows(tmp_path / first.id, "train")["id"].head(60).to_list()
        second = write(tmp_path, corpus([999]), Growth(first.id, gone), split=how)
        total = sum(second.splits.values())
        assert total == 41
        told = second.steps[-1].notes["realised"]
        assert told == {name: round(count / total, 4) for name, count in second.splits.items()}


def test_without_its_parent_a_snapshot_tells_what_it_can(tmp_path):
    first = write(tmp_path, corpus(range(20)))
    held = [freeze("late", corpus([7]))]
    second = write(tmp_path, corpus([50]), Growth(first.id), heldout=held)
    third = write(tmp_path, corpus([51]), Growth(second.id), heldout=held)
    shutil.rmtree(tmp_path / second.id)
    folder = tmp_path / third.id
    assert [m.id for m in chain(folder)] == [third.id]
    assert missing_parent(folder, third) == second.id
    assert missing_parent(tmp_path / first.id, first) is None
    assert verify(folder) == []
    assert [part.height for part in diff(folder, folder)] == [0] * 5
    (reason,) = diff(tmp_path / first.id, folder).removed["reason"]
    assert reason == f"not known: snapshot {second.id} is not there any more"


def test_a_row_that_goes_and_comes_back_is_in_its_old_split_with_its_family(tmp_path):
    words = [prose(i) for i in range(30)]
    pairs = [frame([chat(" ".join(w), 1), chat(" ".join([*w[:-1], "x"]), 2)]) for w in words]
    ids = {row: n for n, pair in enumerate(pairs) for row in pair["id"]}
    first = write(tmp_path, pl.concat(pairs), split=Split(0.5, 0.5))
    splits = dict(read_rows(tmp_path / first.id).select("id", "split").rows())
    second = write(tmp_path, corpus(range(100, 105)), Growth(first.id, list(ids)), split=Split(0.5, 0.5))
    back = pl.concat([pair.sort("id").tail(1) for pair in pairs])
    third = write(tmp_path, back, Growth(second.id), split=Split(0.5, 0.5))
    again = dict(read_rows(tmp_path / third.id).select("id", "split").rows())
    assert {row: again[row] for row in back["id"]} == {row: splits[row] for row in back["id"]}


def test_a_row_that_names_an_old_family_is_in_its_split(tmp_path):
    first = write(tmp_path, corpus(range(40)))
    old = read_rows(tmp_path / first.id).filter(split="train").head(20)
    named = [chat(" ".join(prose(("n", i))), i, family=f) for i, f in enumerate(old["family"])]
    second = write(tmp_path, frame(named), Growth(first.id), split=Split(0.1, 0.9))
    rows = read_rows(tmp_path / second.id)
    assert rows.group_by("family").agg(pl.col("split").n_unique()).filter(pl.col("split") > 1).is_empty()


def test_a_new_held_out_set_takes_old_rows_out_and_says_why(tmp_path):
    first = write(tmp_path, corpus(range(40)))
    held = freeze("late", corpus([7, 8]))
    second = write(tmp_path, corpus([50, 8]), Growth(first.id), heldout=[held])
    assert sorted(read_rows(tmp_path / second.id)["line"]) == [i for i in [*range(40), 50] if i not in {7, 8}]
    assert sum(second.splits.values()) == 39
    removed = diff(tmp_path / first.id, tmp_path / second.id).removed
    assert dict(removed.select("line", "reason").rows()) == {7: "held-out (exact)", 8: "held-out (exact)"}
    third = write(tmp_path, corpus([7]), Growth(second.id), heldout=[held])
    assert third.splits == second.splits


def test_what_was_made_from_a_row_that_was_left_out_before_stays_out(tmp_path):
    held = [freeze("h", frame([chat(" ".join(prose(7)), 107)]))]
    leaked = corpus([7])["id"][0]
    first = write(tmp_path, corpus(range(20)), heldout=held)
    second = write(tmp_path, corpus([50]), Growth(first.id), heldout=held)
    child = corpus([60]).with_columns(parents=pl.lit([leaked]))
    grandchild = corpus([61]).with_columns(parents=pl.lit([child["id"][0]]))
    third = write(tmp_path, pl.concat([child, corpus([51])]), Growth(second.id), heldout=held)
    assert sorted(read_rows(tmp_path / third.id)["line"]) == [i for i in [*range(20), 50, 51] if i != 7]
    late = [*held, freeze("late", corpus([9]))]
    fourth = write(tmp_path, grandchild, Growth(third.id), heldout=late)
    drops = pl.read_parquet(tmp_path / fourth.id / "drops.parquet")
    assert sorted(drops["reason"]) == ["held-out (exact)", "held-out (made from one)"]


def test_old_rows_are_looked_at_again_when_the_search_finds_more(tmp_path, monkeypatch):
    held = [freeze("h", frame([chat(" ".join(prose(7)), 107)]))]
    leaky = [freeze("h", frame([chat("another question altogether", 107)]))]
    monkeypatch.setattr(snapshot, "SEARCH", 1)
    monkeypatch.setattr(parent, "without_heldout", lambda rows, *_: without_heldout(rows, leaky))
    first = write(tmp_path, corpus(range(20)), heldout=held)
    monkeypatch.undo()
    second = write(tmp_path, corpus([50]), Growth(first.id), heldout=held)
    assert (sum(first.splits.values()), sum(second.splits.values())) == (20, 20)


def test_a_reason_given_on_the_way_is_told_over_two_generations(tmp_path):
    first = write(tmp_path, corpus(range(20)))
    held = freeze("late", corpus([7]))
    second = write(tmp_path, corpus([50]), Growth(first.id), heldout=[held])
    third = write(tmp_path, corpus([51]), Growth(second.id), heldout=[held])
    found = diff(tmp_path / first.id, tmp_path / third.id)
    assert found.removed["reason"].to_list() == ["held-out (exact)"]
    assert sorted(found.added["line"]) == [50, 51]


def test_few_new_rows_are_not_held_out_for_the_template_that_all_share(tmp_path):
    policy = "You are a guard. Say whether the message below asks for something that is harmful. Message: "
    rows = frame(chat(policy + " ".join(prose(i, 8)), i) for i in range(60))
    held = freeze("h", frame([chat(policy + " ".join(prose("item", 8)), 1)]))
    first = write(tmp_path, rows, heldout=[held])
    other = frame([chat(policy + " ".join(prose("another", 8)), 99)])
    second = write(tmp_path, other, Growth(first.id), heldout=[held])
    assert sum(second.splits.values()) == 61


EDITS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 19), st.integers(0, 9)), min_size=1, max_size=60)


@given(EDITS, st.randoms(use_true_random=False), st.sampled_from(["", "tag", "label"]))
@settings(deadline=None, max_examples=12)
def test_growing_data_never_moves_a_row_and_never_puts_likes_into_two_splits(
    tmp_path_factory, edits, rng, by
):
    root = tmp_path_factory.mktemp("grown")
    rows = []
    for number, (other, at, word) in enumerate(edits):
        base = number % 10  # so few rows are like each other that none of their text is a template
        text = prose(base)
        text[at] = WORDS[word]
        if number % 3 == 0:  # half of one text and half of another: what may join two families
            text = prose(base)[:10] + prose(other)[10:]
        rows.append(chat(" ".join(text), number % 4, tags=[f"t{base % 2}"]))
    table = frame(rows).unique("id", maintain_order=True)
    known: dict[str, str] = {}
    growth, start = None, 0
    while start < table.height:
        size = rng.randint(1, 25)
        manifest = write(root, table[start : start + size], growth, split=Split(0.6, 0.4, stratify=by))
        start, growth = start + size, Growth(manifest.id)
        placed = read_rows(root / manifest.id)
        for identity, split in placed.select("id", "split").rows():
            assert known.setdefault(identity, split) == split
    assert placed.height == len(known)
    dropped = [pl.read_parquet(root / m.id / "drops.parquet") for m in chain(root / manifest.id)]
    assert sum(drops.height for drops in dropped) + placed.height == table.height
    pairs = similar_pairs([prompt_text(m) for m in placed["messages"].to_list()], 0.8)
    splits = placed["split"].to_list()
    assert all(splits[a] == splits[b] for a, b in zip(pairs.left, pairs.right, strict=True))


def test_a_row_between_families_of_two_splits_is_left_out_with_evidence_and_its_children(tmp_path):
    one, other = prose("one", 200), prose("other", 200)
    for number in range(40):  # until the two fall apart
        left = chat(" ".join([f"l{number}", *one]), 1)
        right = chat(" ".join([f"r{number}", *one[:170], *other[170:]]), 2)
        first = write(
            tmp_path, pl.concat([frame([left, right]), corpus(range(5, 60))]), split=Split(0.5, 0.5)
        )
        splits = dict(read_rows(tmp_path / first.id).select("line", "split").rows())
        if splits[1] != splits[2]:
            break
    between = chat(" ".join([*one[:185], *other[185:]]), 3)
    child = chat("something that nobody else says", 4, parents=[between["id"]])
    second = write(tmp_path, frame([between, child]), Growth(first.id), split=Split(0.5, 0.5))
    assert sorted(read_rows(tmp_path / second.id)["line"]) == [1, 2, *range(5, 60)]
    drops = pl.read_parquet(tmp_path / second.id / "drops.parquet")
    assert dict(drops.select("line", "reason").rows()) == {
        3: "would join families of two splits",
        4: "made from a row that went",
    }
    (detail,) = drops.filter(line=3)["detail"]
    assert all(f"row {row['id']} in {splits[line]}" in detail for line, row in ((1, left), (2, right)))


@pytest.mark.parametrize("by", ["tag", "label"])
@pytest.mark.parametrize("split", [(0.8, 0.2, 0.0), (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)])
def test_each_stratum_gets_its_shares_also_as_it_grows(tmp_path, by, split):
    rng = random.Random(1)
    sizes = {"common": 300, "rare": 30, "few": 11}
    rows = []
    for name, size in sizes.items():
        for i in range(size):
            turns = [{"role": "user", "content": " ".join(prose((name, i)))}]
            rows.append(make_row([*turns, {"role": "assistant", "content": name}], tags=[name]))
    rng.shuffle(rows)
    table = frame(rows)
    growth = None
    for start in range(0, table.height, 90):
        how = Split(*split, stratify=by)
        manifest = write(tmp_path, table[start : start + 90], growth, split=how)
        growth = Growth(manifest.id)
    strata = manifest.steps[-1].notes["strata"]
    for name, size in sizes.items():
        assert sum(strata[name].values()) == size
        for which, share in how.ratios.items():
            assert abs(strata[name].get(which, 0) - share * size) <= 1.5
    assert manifest.steps[-1].notes["realised"].keys() == {s for s, share in how.ratios.items() if share}


@pytest.mark.parametrize("families", [1, 2, 3])
@pytest.mark.parametrize("ratios", [(0.8, 0.2, 0.0), (0.7, 0.2, 0.1), (0.9, 0.1, 0.0)])
@pytest.mark.parametrize("sizes", [[1], [1, 1, 1, 2, 5]])
def test_many_small_strata_have_the_shares_together(families, ratios, sizes):
    rows = frame(
        make_row([{"role": "user", "content": f"{name} {n} {i}"}], tags=[name], family=f"{name} {n}")
        for name in map(str, range(200))
        for n in range(families)
        for i in range(random.Random(f"{name} {n}").choice(sizes))
    )
    wanted = Split(*ratios).ratios
    found: dict[str, str] = {}
    had: dict[str, dict[str, int]] = {}
    for part in (rows[: rows.height // 2], rows[rows.height // 2 :]):  # as it grows
        new = part.filter(~pl.col("family").is_in(list(found)))
        found |= stratified(new, had, wanted, "tag")
        had = counted(
            rows.filter(pl.col("family").is_in(list(found))).with_columns(split=_split(found)), "tag"
        )
    realised = rows["family"].replace_strict(found).value_counts(normalize=True)
    shares = dict(realised.rows())
    for name, share in wanted.items():
        assert abs(shares.get(name, 0) - share) * rows.height <= 2 * max(sizes)
    for heights in had.values():
        total = sum(heights.values())
        assert all(abs(heights.get(n, 0) - s * total) <= 2 * max(sizes) for n, s in wanted.items())


def _split(found: dict[str, str]) -> pl.Expr:
    return pl.col("family").replace_strict(found, return_dtype=pl.String)


@pytest.mark.parametrize("shares", [(float("nan"), 0.5, 0.5), (0.5, 0.6, 0.0), (0.5, 0.4, 0.0)])
def test_shares_that_are_not_one_are_refused(shares):
    with pytest.raises(ValueError, match="must add up to 1"):
        Split(*shares)


def test_the_manifest_is_read_only_where_its_seal_fits(tmp_path):
    folder = tmp_path / write(tmp_path, corpus(range(20))).id
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"train": 1', '"train": 2'))
    with pytest.raises(UserError, match="the manifest was changed"):
        read_manifest(folder)
