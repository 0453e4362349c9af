"""Snapshots: the id says what the rows say, and nothing can be changed unnoticed."""

from __future__ import annotations

import json
import random
import shutil

import polars as pl
import pytest

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.card import card
from curation.difference import GONE, counts, diff
from curation.errors import UserError
from curation.files import file_hash, remove_leftovers
from curation.heldout import freeze, without_heldout
from curation.identity import content_id
from curation.manifest import read_manifest
from curation.parent import Growth
from curation.recipe import Validate
from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.steps import run_steps
from curation.stored import read_rows
from curation.verify import verify

HALVES = Split(0.5, 0.5)
RECIPE = {"steps": ["none"]}


def prose(seed: object, length: int = 15) -> str:
    rng = random.Random(str(seed))
    return " ".join("".join(rng.choices("abcdefghij", k=rng.randrange(4, 9))) for _ in range(length))


def chat(prompt: str, answer: str = "yes", line: int = 1, **more) -> dict:
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return make_row(turns, source="s", line=line, **more)


def corpus(count: int = 60) -> pl.DataFrame:
    return frame(chat(prose(i), line=i, tags=["a"]) for i in range(count))


HELDOUT = [freeze("h", frame(chat(prose(("h", i)), line=i) for i in range(10)))]


def write(root, rows=None, **more):
    settings = {"recipe": RECIPE, "split": Split(), "heldout": HELDOUT} | more
    return write_snapshot(root, begin(corpus() if rows is None else rows), **settings)


def test_what_is_written_is_what_is_read(tmp_path):
    rows = pl.concat([corpus(), frame([chat("", "", 99)])])
    curated = run_steps(rows, [Validate()])
    manifest = write_snapshot(
        tmp_path,
        curated,
        recipe=RECIPE,
        split=Split(),
        heldout=HELDOUT,
        rejects=pl.DataFrame({"line": [1], "reason": ["x"]}),
    )
    folder = tmp_path / manifest.id
    assert read_manifest(folder) == manifest
    assert verify(folder) == []
    back = read_rows(folder)
    columns = ["id", "messages", "tags", "source", "line", "meta"]
    assert back.select(columns).sort("id").equals(corpus().select(columns).sort("id"))
    assert manifest.splits == dict(back.group_by("split").len().rows())
    assert read_rows(folder, "validation").height == manifest.splits["validation"]
    assert pl.read_parquet(folder / "drops.parquet")["line"].to_list() == [99]
    assert pl.read_parquet(folder / "findings.parquet").height == curated.findings.height
    assert json.loads((folder / "rejects.jsonl").read_text()) == {"line": 1, "reason": "x"}
    assert manifest.heldout == {"h": [HELDOUT[0].version]}
    assert [t.step for t in manifest.steps] == ["validate", "heldout", "split"]
    assert manifest.steps[0].dropped == {"R101 empty prompt": 1}
    assert [p.name for p in tmp_path.iterdir()] == [manifest.id]
    assert (folder / "README.md").read_text() == card(manifest)
    for line in (
        manifest.id,
        "It grew from no other one.",
        "| R101 empty prompt | 1 |",
        f"| h | {HELDOUT[0].version} |",
    ):
        assert line in card(manifest)


def test_the_order_and_the_place_of_the_rows_do_not_change_the_id(tmp_path):
    rows = pl.concat([corpus(), corpus().head(5).with_columns(tags=pl.lit(["b"]))])
    first = write(tmp_path / "1", rows)
    for seed in range(3):
        shuffled = rows.sample(fraction=1, shuffle=True, seed=seed).with_columns(source=pl.lit("elsewhere"))
        assert write(tmp_path / f"again{seed}", shuffled).id == first.id


def test_what_a_snapshot_says_changes_the_id(tmp_path):
    families = corpus().with_columns(family=pl.col("id"))
    others = {
        "split": write(tmp_path, split=HALVES),
        "recipe": write(tmp_path, recipe={"steps": ["other"]}),
        "fewer rows": write(tmp_path, corpus(59)),
        "more rows": write(tmp_path, corpus(61)),
        "tags": write(tmp_path, corpus().with_columns(tags=pl.lit(["b"]))),
        "lineage": write(tmp_path, corpus().with_columns(parents=pl.lit(["x"]))),
        "family": write(tmp_path, families.with_columns(family=pl.lit("one"))),
        "weight": write(tmp_path, corpus().with_columns(meta=pl.lit('{"weight":0.5}'))),
        "tools": write(tmp_path, corpus().with_columns(meta=pl.lit('{"tools":[{"type":"function"}]}'))),
        "none of these": write(tmp_path),
    }
    written = ('{"a":1,"b":{"c":2.0}}', '{"b": {"c": 2.0}, "a": 1}')
    one, other = (write(tmp_path, corpus().with_columns(meta=pl.lit(text))) for text in written)
    assert one.id == other.id
    assert len({m.id for m in others.values()}) == len(others)
    assert write(tmp_path, families).id == others["none of these"].id
    growths = [Growth(others["none of these"].id), Growth(others["split"].id)]
    growths.append(Growth(others["none of these"].id, corpus(1)["id"].to_list()))
    assert len({write(tmp_path, frame([]), growth=growth).id for growth in growths}) == 3


def test_a_snapshot_that_is_there_is_left_as_it_is(tmp_path):
    manifest = write(tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / manifest.id).iterdir()}
    assert write(tmp_path) == manifest
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / manifest.id).iterdir()} == before


def test_held_out_rows_are_never_in_it_by_any_road(tmp_path):
    items = HELDOUT[0].items
    edited = [
        chat(prose(("h", i)).rsplit(" ", 1)[0] + " other", "no", 200 + i, tags=["edited"]) for i in range(10)
    ]
    leaks = pl.concat([items, frame(edited)])
    rows = pl.concat([corpus(), leaks, augment(leaks, Augment(share=1)).children])
    manifest = write(tmp_path, rows)
    back = read_rows(tmp_path / manifest.id)
    assert sorted(back["line"]) == list(range(60))
    assert without_heldout(back, HELDOUT)[1].height == 0
    assert manifest.steps[-2].step == "heldout"
    assert sum(manifest.steps[-2].dropped.values()) == rows.height - 60


def test_without_a_row_nothing_is_written(tmp_path):
    for rows in (HELDOUT[0].items, frame([])):
        with pytest.raises(UserError, match="no row is left"):
            write(tmp_path, rows)
    assert list(tmp_path.iterdir()) == []


def flip(folder):
    path = folder / "train.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def edit(**changes):
    def change(folder):
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def rename(folder):
    folder.rename(folder.with_name("0" * 16))


def replace_by_folder(folder):
    (folder / "train.parquet").unlink()
    (folder / "train.parquet").mkdir()


def other_weight(folder):
    path = folder / "train.parquet"
    pl.read_parquet(path).with_columns(meta=pl.lit('{"weight":9}')).write_parquet(path)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit(files=files | {path.name: file_hash(path)})(folder)


FAULTS = {
    "a flipped byte": (flip, "train.parquet: changed"),
    "a missing file": (lambda f: (f / "drops.parquet").unlink(), "drops.parquet: missing"),
    "a foreign file": (lambda f: (f / "notes.txt").write_text("x"), "notes.txt: does not belong here"),
    "a folder in its place": (replace_by_folder, "train.parquet: no file any more"),
    "other fields": (other_weight, "the id is not that of the content"),
    "another data card": (lambda f: (f / "README.md").write_text("x"), "README.md: changed"),
    "another recipe": (edit(recipe={}), "the id is not that of the content"),
    "another parent": (edit(parent="p"), "the id is not that of the content"),
    "another id": (edit(id="0" * 16), "the folder is called"),
    "other steps": (edit(steps=[]), "manifest.json: changed since it was written"),
    "another hash": (edit(files={}), "train.parquet: does not belong here"),
    "other counts": (edit(splits={"train": 60}), "the splits are not those of the files"),
    "another name": (rename, "the folder is called 0000000000000000"),
}


@pytest.mark.parametrize(("change", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_change_is_found(tmp_path, change, says):
    folder = tmp_path / write(tmp_path).id
    change(folder)
    (folder,) = tmp_path.iterdir()
    assert any(says in fault for fault in verify(folder))


@pytest.mark.parametrize("text", ["", "{", "{}", '{"id": 4}', "[]"])
def test_a_damaged_manifest_is_the_users_to_mend(tmp_path, text):
    folder = tmp_path / write(tmp_path).id
    (folder / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="the manifest is damaged") as told:
        verify(folder)
    assert "remove it" in str(told.value)


def test_a_manifest_of_another_format_is_named(tmp_path):
    folder = tmp_path / write(tmp_path).id
    edit(format=2)(folder)
    with pytest.raises(UserError, match="format 2, this version"):
        read_manifest(folder)


def test_text_of_the_data_stays_in_its_cell_of_the_card(tmp_path):
    rows = corpus().with_columns(
        tags=pl.lit(["x\n## Fake heading | a", "<script>"]),
        source=pl.lit("da|ta\r\n<!--.jsonl"),
        meta=pl.lit('{"license":"mit\\n\\n# Not"}'),
    )
    told = (tmp_path / write(tmp_path, rows).id / "README.md").read_text().splitlines()
    assert "| x ## Fake heading \\| a | 60 |" in told
    assert "| mit # Not | 60 |" in told
    assert "| da\\|ta \\<!--.jsonl | 60 |" in told
    assert not any(line.startswith(("## Fake", "# Not", "<")) for line in told)


def test_a_manifest_with_an_unknown_field_is_refused(tmp_path):
    folder = tmp_path / write(tmp_path).id
    edit(more=1)(folder)
    with pytest.raises(UserError, match="more"):
        read_manifest(folder)


def test_a_crash_leaves_nothing_that_is_taken_for_a_snapshot(tmp_path):
    manifest = write(tmp_path / "whole")
    leftover = tmp_path / "root" / f".{manifest.id}.99999.tmp"
    shutil.copytree(tmp_path / "whole" / manifest.id, leftover)
    (leftover / "manifest.json").unlink()
    with pytest.raises(UserError, match="no such snapshot"):
        read_manifest(tmp_path / "root" / manifest.id)
    assert write(tmp_path / "root") == manifest
    assert verify(tmp_path / "root" / manifest.id) == []
    remove_leftovers(tmp_path / "root")
    assert [p.name for p in (tmp_path / "root").iterdir()] == [manifest.id]


def test_a_difference_names_rows_added_removed_and_moved(tmp_path):
    a = write(tmp_path, corpus(50).with_columns(family=pl.col("id")))
    grown = corpus(60).slice(5).with_columns(family=pl.col("id"))
    lost = frame([chat(prose(0), "", 0)])
    b = write_snapshot(
        tmp_path,
        run_steps(pl.concat([grown, lost]), [Validate()]),
        recipe=RECIPE,
        split=Split(0.2, 0.8),
        heldout=[],
    )
    found = diff(tmp_path / a.id, tmp_path / b.id)
    assert sorted(found.added["line"]) == list(range(50, 60))
    assert sorted(found.removed["line"]) == [0, 1, 2, 3, 4]
    assert set(found.removed.filter(pl.col("line") > 0)["reason"]) == {GONE}
    assert found.moved.select("split", "split_new").unique().rows() == [("train", "validation")]
    assert found.moved.height > 10
    assert [part.height for part in diff(tmp_path / a.id, tmp_path / a.id)] == [0] * 5


def test_a_difference_says_which_step_dropped_a_row_and_which_prompt_was_answered_anew(tmp_path):
    a = write(tmp_path, corpus(30))
    kept = corpus(30)["messages"].to_list()
    kept[3][1]["content"] = "Another answer, which is longer than the one before."
    rows = frame([make_row(m, source="new.jsonl", line=i, tags=["x"]) for i, m in enumerate(kept)])
    heldout = freeze("test", frame([make_row(kept[7])]))
    b = write(tmp_path, rows, heldout=[heldout])
    found = diff(tmp_path / a.id, tmp_path / b.id)
    assert found.changed["id"].to_list() == [corpus(30)["id"][3]]
    assert found.changed["messages_new"][0].to_list()[1]["content"].startswith("Another answer")
    assert found.added.height == 0
    assert found.removed["id"].to_list() == [corpus(30)["id"][7]]
    assert counts(found.removed)["reason"] == {"held-out (exact)": 1}


def test_the_id_is_frozen_for_all_time():
    table = frame([chat("a", line=1, tags=["t"], family="f")]).with_columns(split=pl.lit("train"))
    assert content_id(table, [], {"k": 1}, None) == "8309bab27314e69c"
