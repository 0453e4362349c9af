"""New rows against an index of old ones: what becomes of them if all rows were one file."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import How, drop_duplicates, drop_known
from curation.export import write_rows
from curation.intake import read_file
from curation.known import drop_against, index_rows
from curation.known_cache import index_folder, open_known, taken
from curation.rows import frame
from tests.curation.test_dedup import POLICY, chat, corpus, with_labels_and_calls

if TYPE_CHECKING:
    from pathlib import Path

PLACE = ["line", "partner_line"]
ANY = How()
TEMPLATES = ("", POLICY + "\n\n")


def compare(old: pl.DataFrame, new: pl.DataFrame, how: How) -> bool:
    """Whether the index was of use; that the result is the same is asserted."""
    known = index_rows(old, how)
    done, all_of_it = drop_against(known, new, how), drop_known(old, new, how)
    assert done.found.rows.equals(all_of_it.rows)
    # Of rows that all contradict each other any one may be named, where all of them go.
    told = ["line", "reason"] if how.conflicts == "drop_all" else all_of_it.drops.columns
    assert done.found.drops.select(told).sort("line").equals(all_of_it.drops.select(told).sort("line"))
    if how.conflicts != "drop_all":
        assert done.found.conflicts.sort(PLACE).equals(all_of_it.conflicts.sort(PLACE))
    assert sorted(t.rows for t in done.found.templates) == sorted(t.rows for t in all_of_it.templates)
    partners = done.found.drops["partner_line"].drop_nulls()
    assert set(partners) <= {*done.partners["line"], *new["line"]}
    return not done.anew


HOWS = st.builds(
    How,
    threshold=st.sampled_from([0.3, 0.6, 0.8]),
    near=st.sampled_from([True, True, True, False]),
    on=st.sampled_from(["prompt", "prompt", "all"]),
    conflicts=st.sampled_from(["report", "keep_best", "keep_all", "drop_all"]),
    keep=st.sampled_from(["best", "first"]),
)


@given(st.integers(0, 10**6), st.integers(1, 140), HOWS, st.sampled_from(TEMPLATES))
@settings(deadline=None, max_examples=25)
def test_an_index_gives_what_comparing_all_rows_gives(seed, old, how, template):
    rows = with_labels_and_calls(corpus(seed, count=150, template=template), seed)
    rows = pl.concat([rows, rows.sample(20, seed=seed)]).sample(fraction=1.0, shuffle=True, seed=seed)
    rows = rows.with_columns(line=pl.int_range(rows.height, dtype=pl.Int64))
    compare(rows.head(old), rows.tail(rows.height - old), how)


@pytest.mark.parametrize("template", TEMPLATES)
def test_few_new_rows_need_no_look_at_all_the_old_ones(template):
    rows = corpus(4, count=600, template=template).with_columns(line=pl.int_range(600, dtype=pl.Int64))
    assert compare(rows.head(590), rows.tail(10), How())
    done = drop_against(index_rows(rows.head(590), How()), rows.tail(10), How())
    assert done.partners.height < 200
    assert bool(done.found.templates) == bool(template)


def test_new_rows_that_make_a_template_of_text_are_compared_with_all():
    rng = random.Random(2)
    words = [f"w{i}" for i in range(2000)]
    text = [" ".join(rng.choices(words, k=12)) for _ in range(60)]
    rows = frame(chat((POLICY if i % 2 else "") + text[i], "safe", i) for i in range(60))
    assert not compare(rows.head(35), rows.tail(25), How())
    assert compare(rows.head(55), rows.tail(5), How())


def test_made_rows_go_with_their_parents():
    rows = corpus(6, count=120).with_columns(line=pl.int_range(120, dtype=pl.Int64))
    made = pl.when(pl.col("line") % 5 == 0)
    parents = pl.concat_list(rows["id"].shift(1).fill_null(rows["id"][0]))
    rows = rows.with_columns(
        tags=made.then(pl.lit(["augmented"])).otherwise("tags"),
        parents=made.then(parents).otherwise("parents"),
    )
    assert compare(rows.head(80), rows.tail(40), How(0.6))
    twice = rows.filter(pl.col("tags").list.len() > 0).head(3)
    again = pl.concat([rows.tail(20), twice.with_columns(line=pl.col("line") + 1000)])
    old = rows.head(100)
    assert compare(old, again, How(0.6))
    drops = drop_known(old, again, How(0.6)).drops.filter(pl.col("line") >= 1000)
    assert drops.select("line", "partner_line").rows() == [(n + 1000, n) for n in twice["line"]]
    assert set(drops["reason"]) == {"exact duplicate"}


def test_the_children_of_a_row_that_went_for_its_own_copy_stay():
    parent = chat("What is the highest mountain of the world?", "Everest", 1)
    child = chat("what is the highest mountain of the world", "Everest", 2) | {
        "tags": ["augmented"],
        "parents": [parent["id"]],
    }
    old, new = frame([parent]), frame([parent | {"line": 3}, child])
    assert drop_known(old, new).rows["line"].to_list() == [2]
    assert drop_duplicates(pl.concat([old, new])).rows["line"].to_list() == [1, 2]


def test_nothing_new():
    rows = corpus(6, count=60).with_columns(line=pl.int_range(60, dtype=pl.Int64))
    assert compare(rows, rows.clear(), How())
    assert compare(rows.clear(), rows, How())


@pytest.fixture
def old_file(tmp_path):
    path = tmp_path / "old.jsonl"
    write_rows(corpus(8, count=90), path)
    return path


def opened(path, how: How = ANY):
    """The index, why it was built, and whether the rows were read."""
    read = []

    def rows() -> pl.DataFrame:
        read.append(1)
        return read_file(path).rows

    known, built = open_known(path, how, rows)
    assert bool(read) == (built is not None)
    return known, built


def test_an_index_is_kept_and_gives_the_same(old_file):
    new = corpus(9, count=40)
    first, built = opened(old_file)
    assert built == "there was none yet"
    again, built = opened(old_file)
    assert built is None
    one, other = (drop_against(known, new, ANY).found for known in (first, again))
    assert one.drops.height
    assert all(a.equals(b) for a, b in zip(one[:3], other[:3], strict=True))
    assert one.drops.equals(drop_known(read_file(old_file).rows, new, ANY).drops)


def test_an_index_that_does_not_fit_is_built_anew(old_file):
    opened(old_file)
    assert opened(old_file, How(0.5))[1] == "it was built with other settings"
    with old_file.open("a") as stream:
        stream.write('{"messages": [{"role": "user", "content": "one more"}]}\n')
    assert opened(old_file, How(0.5))[1].startswith("the rows")
    assert opened(old_file, How(0.5))[1] is None


@pytest.mark.parametrize("name", ["about.json", "arrays.bin", "rows.arrow"])
def test_a_damaged_index_is_built_anew(old_file, name):
    opened(old_file)
    file = index_folder(old_file) / name
    whole = file.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:-1], b"", _flipped(whole), None):
        file.unlink() if damaged is None else file.write_bytes(damaged)
        known, built = opened(old_file)
        assert built == "it was damaged"
        assert drop_against(known, corpus(9, count=10), ANY).found.rows.height
    assert opened(old_file)[1] is None


def test_what_an_index_says_of_itself_is_covered_by_its_sum(old_file):
    opened(old_file)
    file = index_folder(old_file) / "about.json"
    whole = file.read_text()
    places = json.loads(whole)["regrind_index"]["places"]
    distinct, partner = (json.dumps(places[name], separators=(",", ":")) for name in ("distinct", "partner"))
    swapped = whole.replace(distinct, "X").replace(partner, distinct).replace("X", partner)
    for changed in (swapped, whole.replace('"distinct"', '"foo"'), whole.replace('"<i8"', '"zz"')):
        assert changed != whole
        file.write_text(changed)
        assert opened(old_file)[1] == "it was damaged"
        assert file.read_text() == whole


@pytest.mark.parametrize("kind", ["files", "another about.json", "a file", "a link to nothing"])
def test_what_is_no_index_is_left_alone(old_file, kind):
    folder = index_folder(old_file)
    if kind == "a file":
        folder.write_text("mine")
    elif kind == "a link to nothing":
        folder.symlink_to("nowhere")
    else:
        folder.mkdir()
        name = "about.json" if kind == "another about.json" else "important.txt"
        (folder / name).write_text("{}")
    before = there(old_file.parent)
    assert taken(old_file)
    known, built = opened(old_file)
    assert "cannot be kept" in built
    assert drop_against(known, corpus(9, count=10), ANY).found.rows.height
    assert before == there(old_file.parent)


def there(folder: Path) -> list[tuple[str, int, str | None]]:
    found = sorted(folder.rglob("*"))
    return [(p.name, p.lstat().st_ino, p.read_text() if p.is_file() else None) for p in found]


def test_an_index_is_not_taken_for_something_else(old_file):
    assert not taken(old_file)
    opened(old_file)
    assert not taken(old_file)


def _flipped(whole: bytes) -> bytes:
    place = len(whole) // 3
    return whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]


def test_an_index_that_cannot_be_kept_is_of_use_all_the_same(old_file):
    long = old_file.rename(old_file.with_name("x" * 245 + ".jsonl"))
    known, built = opened(long)
    assert "cannot be kept" in built
    assert drop_against(known, corpus(9, count=10), ANY).found.rows.height


def test_a_folder_has_an_index_beside_it(old_file):
    folder = old_file.parent / "snapshot"
    folder.mkdir()
    read_file(old_file).rows.write_parquet(folder / "train.parquet")
    rows = read_file(old_file).rows
    assert open_known(folder, ANY, lambda: rows).built
    assert open_known(folder, ANY, lambda: rows).built is None
    assert [path.name for path in folder.iterdir()] == ["train.parquet"]
    rows.write_parquet(folder / "test.parquet")
    assert open_known(folder, ANY, lambda: rows).built.startswith("the rows")
