"""What new rows meet of a snapshot: the few that an index finds do as well as all rows."""

from __future__ import annotations

import random
import shutil

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.dedup import How, drop_known
from curation.manifest import decode
from curation.old_index import open_index, segment_folder
from curation.old_rows import all_rows, meet
from curation.parent import Growth
from curation.rows import frame
from curation.snapshot import write_snapshot
from curation.split import Split, place
from curation.state import begin
from tests.curation.test_dedup import POLICY, chat
from tests.curation.test_growth import WORDS, prose

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
    tables = [rows[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    new = tables.pop()
    folder = grown(root, tables, gone=2)
    everyone = all_rows(folder, new)
    for _ in range(2):  # built, and kept
        few = meet(folder, new, threshold=how.threshold, few=0)
        assert few.rows.height <= everyone.rows.height
        assert few.shared.hashes.tolist() == everyone.shared.hashes.tolist()
        for one, other in zip(told(few, new, how, by), told(everyone, new, how, by), strict=True):
            assert one.equals(other)
