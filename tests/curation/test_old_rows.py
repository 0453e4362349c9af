"""What new rows meet of a snapshot: the few that an index finds do as well as all rows."""

from __future__ import annotations

import itertools
import json
import random
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import How, drop_known
from curation.manifest import decode
from curation.old_index import open_index
from curation.old_rows import all_rows, meet
from curation.parent import Growth
from curation.rows import frame
from curation.segment_files import segment_folder
from curation.snapshot import write_snapshot
from curation.split import Split, place
from curation.state import begin
from tests.curation.test_dedup import POLICY, chat
from tests.curation.test_growth import WORDS, corpus, prose

PLACE = ["line", "partner_line"]


def made_up(seed: int, count: int, template: str = "") -> pl.DataFrame:
    """Rows, many of which are like others in prompt, answer or both, and some of which are made of others."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        base = rng.randrange(1 + count // 4)
        text = prose(base, 16)
        for _ in range(rng.choice([0, 0, 1, 1, 3])):
            text[rng.randrange(16)] = rng.choice(WORDS)
        if rng.random() < 0.2:  # half of one text and half of another: what may join two families
            text = text[:8] + prose(rng.randrange(1 + count // 4), 16)[8:]
        parents = [rng.choice(rows)["id"]] if rows and rng.random() < 0.15 else []
        if parents:  # nobody is like it: only its parent says where it belongs
            text = prose((seed, number), 16)
        told = " ".join(prose(base, 4) if rng.random() < 0.7 else prose((seed, number), 4))
        shout = str.upper if rng.random() < 0.1 else str
        family = f"given-{base}" if rng.random() < 0.1 else None
        row = chat(shout(template + " ".join(text)), told, number)
        rows.append(row | {"parents": parents, "family": family, "tags": ["augmented"] if parents else []})
    return frame(rows)


def grown(root, tables, gone=0):
    """The folder of a snapshot of these tables, one after the other; so many rows go each time."""
    growth = None
    for number, table in enumerate(tables):
        name = write_snapshot(
            root, begin(table), recipe={}, split=Split(0.6, 0.4), heldout=[], growth=growth
        ).id
        growth = Growth(name, table["id"].sample(min(gone, table.height), seed=number).to_list())
    return root / name


def told(old, new, how, by):
    """What becomes of new rows beside old ones."""
    found = drop_known(old.live, new, how, shared=old.shared, stay=True)
    placed = place(new, Split(0.6, 0.4, stratify=by), old)
    drops = [found.drops.sort("line", "row_id"), placed.drops.sort("line", "row_id")]
    return [found.rows, *drops, found.conflicts.sort(PLACE), placed.rows.select("id", "family", "split")]


HOWS = st.builds(
    How,
    threshold=st.sampled_from([0.5, 0.8, 0.9]),
    conflicts=st.sampled_from(["report", "keep_best", "keep_all"]),
    keep=st.sampled_from(["best", "first"]),
)
SIZES = st.lists(st.integers(1, 60), min_size=2, max_size=5)


@given(st.integers(0, 10**6), SIZES, HOWS, st.sampled_from(["", "", POLICY]), st.sampled_from(["", "tag"]))
@settings(deadline=None, max_examples=25)
def test_the_few_rows_that_an_index_finds_do_as_well_as_all_rows(
    tmp_path_factory, seed, sizes, how, template, by
):
    root = tmp_path_factory.mktemp("grown")
    rows = made_up(seed, sum(sizes), template)
    cuts = [0, *pl.Series(sizes).cum_sum().to_list()]
    tables = [rows[a:b] for a, b in itertools.pairwise(cuts)]
    new = tables.pop()
    folder = grown(root, tables, gone=2)
    everyone = all_rows(folder, new)
    for _ in range(2):  # built, and kept
        few = meet(folder, new, threshold=how.threshold, few=0)
        assert few.rows.height <= everyone.rows.height
        assert few.shared.hashes.tolist() == everyone.shared.hashes.tolist()
        for one, other in zip(told(few, new, how, by), told(everyone, new, how, by), strict=True):
            assert one.equals(other)


@pytest.fixture
def folder(tmp_path):
    return grown(tmp_path, [made_up(1, 80), made_up(2, 20), made_up(3, 5)])


def heights(folder):
    """Rows of each segment, and why all rows were indexed."""
    index, built = open_index(folder, 0.8)
    return [len(part.ids) for part in index], built


def test_each_growth_adds_a_segment_of_its_rows_and_small_ones_become_one(tmp_path):
    tables = [corpus(range(80)), *(corpus(range(n, n + 10)) for n in range(100, 160, 10))]
    found = [heights(grown(tmp_path, tables[: n + 1])) for n in range(len(tables))]
    assert found[0] == ([80], "there was no index yet")
    assert all(built is None for _, built in found[1:])
    had = [sum(sizes) for sizes, _ in found]
    assert had == [
        sum(decode(f).splits.values()) for f in (grown(tmp_path, tables[: n + 1]) for n in range(7))
    ]
    assert [len(sizes) for sizes, _ in found] == [1, 2, 2, 3, 2, 3, 3]


def test_an_index_is_kept(folder):
    assert heights(folder)[1] == "there was no index yet"
    assert heights(folder)[1] is None


@pytest.mark.parametrize("name", ["about.json", "arrays.bin", "rows.arrow"])
def test_a_damaged_index_is_built_anew(folder, name):
    rows = made_up(9, 20)
    before = told(all_rows(folder, rows), rows, How(), "")
    heights(folder)
    file = segment_folder(folder, 0.8) / name
    whole = file.read_bytes()
    flipped = whole[: len(whole) // 3] + bytes([whole[len(whole) // 3] ^ 0x55]) + whole[len(whole) // 3 + 1 :]
    for damaged in (whole[: len(whole) // 2], b"", flipped, None):
        file.unlink() if damaged is None else file.write_bytes(damaged)
        said = []
        after = told(meet(folder, rows, few=0, say=said.append), rows, How(), "")
        assert said == [f"all rows of snapshot {folder.name} were indexed: it was damaged"]
        assert all(one.equals(other) for one, other in zip(before, after, strict=True))
    assert heights(folder)[1] is None


def test_what_a_segment_says_of_itself_is_covered_by_its_sum(folder):
    heights(folder)
    file = segment_folder(folder, 0.8) / "about.json"
    whole = file.read_text()
    places = json.loads(whole)["regrind_index"]["places"]
    ids, keyed = (json.dumps(places[name], separators=(",", ":")) for name in ("ids", "keyed"))
    for changed in (
        whole.replace(ids, "X").replace(keyed, ids).replace("X", keyed),
        whole.replace("0.8", "0.9"),
    ):
        assert changed != whole
        file.write_text(changed)
        assert heights(folder)[1] == "it was damaged"
        assert file.read_text() == whole


def test_a_lost_first_segment_is_no_harm(folder, tmp_path):
    first = tmp_path / decode(folder).layers[0]
    heights(first)
    assert heights(folder)[1] is None
    shutil.rmtree(segment_folder(first, 0.8))
    assert heights(folder)[1] == "it was damaged"
    assert heights(folder)[1] is None


def test_an_index_that_cannot_be_kept_is_of_use_all_the_same(folder, monkeypatch):
    monkeypatch.setattr(
        "curation.old_index.segment_folder", lambda snapshot, _: snapshot / "train.parquet" / "x"
    )
    index, _ = open_index(folder, 0.8)
    assert len(index[0].ids)


def test_new_rows_that_make_a_template_of_text_meet_all_rows(tmp_path):
    folder = grown(tmp_path, [made_up(1, 60), made_up(2, 12, POLICY)])
    new, said = made_up(3, 40, POLICY), []
    few = meet(folder, new, few=0, say=said.append)
    everyone = all_rows(folder, new)
    assert said[-1].endswith("the new rows change what text is shared")
    assert len(few.shared.hashes)
    assert few.rows.equals(everyone.rows)


def test_rows_that_went_tell_of_families_and_are_no_duplicates(tmp_path):
    rows = made_up(1, 60)
    folder = grown(tmp_path, [rows, made_up(2, 5)], gone=60)
    placed = dict(
        pl.concat(pl.read_parquet(p) for p in folder.glob("train.parquet")).select("id", "family").rows()
    )
    for old in (meet(folder, rows, few=0), all_rows(folder, rows)):
        assert drop_known(old.live, rows, How(), shared=old.shared, stay=True).rows.height
        again = place(rows, Split(0.1, 0.9), old).rows
        assert {i for i in placed if i in again["id"]}
        splits = dict(old.rows.select("id", "split").rows())
        assert all(splits[i] == split for i, split in again.select("id", "split").rows())
