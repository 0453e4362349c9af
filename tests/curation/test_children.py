"""Rows that were made follow their parents: through every step, and out of the training set."""

from __future__ import annotations

import random

import polars as pl
import pytest

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.children import without_orphans
from curation.dedup import drop_duplicates
from curation.heldout import freeze
from curation.prompts import stage
from curation.recipe import Dedup, Redact
from curation.rows import frame, make_row
from curation.selection.settings import Select
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.steps import run_step
from curation.stored import read_rows


def corpus(count: int = 40) -> pl.DataFrame:
    words = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrst"]
    rng = random.Random(3)
    said = [" ".join(rng.sample(words, 12)) for _ in range(count)]
    return frame(
        make_row(
            [
                {"role": "user", "content": f"{text} write to ann{i}@example.com"},
                {"role": "assistant", "content": f"{i}"},
            ],
            source="s",
            line=i,
            meta='{"score":2,"trace":"t"}',
        )
        for i, text in enumerate(said)
    )


def with_children(rows: pl.DataFrame, share: float = 1.0) -> pl.DataFrame:
    return pl.concat([rows, augment(rows, Augment(share=share)).children])


@pytest.mark.parametrize(
    "step", [Select(share=0.4), Redact("redact", ("EMAIL",)), Dedup()], ids=lambda s: type(s).__name__
)
def test_no_step_parts_a_child_of_a_held_out_row_from_its_parent(tmp_path, step):
    rows = corpus()
    items = rows.head(20)
    state = run_step(begin(with_children(rows)), step)
    heldout = [freeze("test", items)]
    manifest = write_snapshot(tmp_path, state, recipe={}, split=Split(1.0, 0.0), heldout=heldout)
    left = read_rows(tmp_path / manifest.id)
    allowed = {
        content.split(" write")[0].casefold()
        for content in rows[20:]["messages"].list.first().struct.field("content")
    }
    own = left.filter(pl.col("parents").list.len() == 0)["messages"].list.first().struct.field("content")
    assert {content.split(" write")[0].casefold() for content in own} <= allowed
    ids = set(left["id"])
    assert all(parent in ids for parents in left["parents"] for parent in parents)


def test_a_child_names_its_parent_as_it_is_called_now():
    state = run_step(begin(with_children(corpus())), Redact("redact", ("EMAIL",)))
    ids = set(state.rows["id"])
    assert all(parent in ids for parents in state.rows["parents"] for parent in parents)
    assert state.rows["tags"].list.contains("redacted").all()


def test_the_command_and_the_step_keep_the_same_children():
    rows = with_children(corpus())
    assert drop_duplicates(rows).rows["id"].to_list() == run_step(begin(rows), Dedup()).rows["id"].to_list()
    assert drop_duplicates(rows).rows.height == rows.height


def test_the_cap_per_parent_holds_over_two_runs():
    twice = with_children(with_children(corpus()), share=2.0)
    children = twice.filter(pl.col("parents").list.len() > 0)
    assert children["parents"].list.first().value_counts()["count"].max() == 1


def test_a_child_has_the_fields_of_its_parent_but_for_its_way_here():
    children = with_children(corpus()).filter(pl.col("parents").list.len() > 0)
    assert set(children["meta"]) == {'{"score":2}'}


def test_descendants_go_with_the_first_that_went():
    rows = stage(corpus(3), "task")
    child = make_row([{"role": "user", "content": "c"}], parents=[rows["id"][0]])
    grandchild = make_row([{"role": "user", "content": "g"}], parents=[child["id"]])
    stay, drops = without_orphans(pl.concat([rows[1:], frame([grandchild, child])]), {rows["id"][0]}, "x")
    assert stay["id"].to_list() == rows["id"].to_list()[1:]
    assert drops["row_id"].to_list() == [grandchild["id"], child["id"]]
    assert set(drops["reason"]) == {"made from a row that went"}
