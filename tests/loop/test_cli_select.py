"""`regrind curate select` as a user meets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl
import pytest

from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from tests.curation.selection.texts import planted
from tests.loop.byhand import write_lines
from tests.loop.commands import lines, session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    texts = planted(1, intents=9, rows=100).texts[:80]
    rows = [
        {"prompt": t, "response": "Yes.", "score": i % 5, "tags": [f"stage:{'ab'[i % 2]}"]}
        for i, t in enumerate(texts)
    ]
    return write_lines(tmp_path / "seed.jsonl", rows)


def test_each_way_to_say_how_many(seed: Path, tmp_path: Path) -> None:
    out, drops = tmp_path / "few.jsonl", tmp_path / "drops.jsonl"
    select = ["curate", "select", seed, "-o", out]
    by_k, quotas, budget, gain = session(
        [*select, "-k", 10, "--drops", drops],
        [*select, "--quota", "stage:a=4", "--quota", "stage:b=2", "--json"],
        [*select, "--budget-tokens", 200, "--method", "facility", "--json"],
        [*select, "--min-gain", "0.9", "--json"],
    )
    assert [d.code for d in (by_k, quotas, budget, gain)] == [0, 0, 0, 0], by_k.err + quotas.err
    assert "80 rows in, 10 out" in by_k.out
    assert by_k.out.count("did it beat random?") == 4
    assert "next: regrind curate validate" in by_k.err
    assert len(lines(drops)) == 70
    notes = json.loads(quotas.out)["notes"]
    assert {name: note["picked"] for name, note in notes.items()} == {"stage:a": 4, "stage:b": 2}
    assert sum(n["tokens"] for n in json.loads(budget.out)["notes"].values()) <= 200
    assert {n["stopped"] for n in json.loads(gain.out)["notes"].values()} == {
        "the next gain is under min_gain"
    }
    assert all(row["selected"]["gain"] >= 0.9 for row in lines(out))


def test_a_prior_is_a_file_or_a_snapshot(seed: Path, tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{n}.jsonl" for n in ("first", "second", "third"))
    select = ["curate", "select", seed, "-k", 10, "--quality", "score"]
    done = session([*select, "-o", first], [*select, "-o", second, "--prior", first])
    assert [d.code for d in done] == [0, 0]
    prompts = [{row["messages"][0]["content"] for row in lines(path)} for path in (first, second)]
    assert not prompts[0] & prompts[1]
    rows = frame(
        make_row([{"role": "user", "content": p}, {"role": "assistant", "content": "Yes."}])
        for p in prompts[0]
    )
    alone = Split(train=1.0, validation=0.0)
    manifest = write_snapshot(tmp_path, begin(rows), recipe={}, split=alone, heldout=[])
    (again,) = session([*select, "-o", third, "--prior", tmp_path / manifest.id])
    assert again.code == 0
    assert not prompts[0] & {row["messages"][0]["content"] for row in lines(third)}


def test_tokens_are_counted_by_a_tokenizer_that_is_named(seed: Path, tmp_path: Path) -> None:
    from tests.tiny import build_tiny_model

    build_tiny_model(tmp_path / "tiny")
    select = ["curate", "select", seed, "-o", tmp_path / "few.jsonl", "--budget-tokens", 300, "--json"]
    estimated, counted = session(select, [*select, "--tokenizer", tmp_path / "tiny"])
    assert counted.code == 0, counted.err
    assert json.loads(counted.out)["rows_out"] != json.loads(estimated.out)["rows_out"]


def test_what_cannot_be_is_refused_and_writes_nothing(seed: Path, tmp_path: Path) -> None:
    select = ["curate", "select", seed, "-o", tmp_path / "few.jsonl"]
    before = sorted(tmp_path.iterdir())
    usage = session(
        select,
        [*select, "-k", 3, "--method", "nearest"],
        [*select, "-k", 3, "--on", "answer"],
        [*select, "-k", 3, "--method", "random", "--floor", "0.1"],
        [*select, "--quota", "a"],
        [*select, "--quota", "a=many"],
    )
    assert {d.code for d in usage} == {2}
    wrong = session(
        [*select, "--quota", "stage:c=1"],
        [*select, "-k", 3, "--quality", "grade"],
        [*select, "-k", 3, "--prior", tmp_path / "missing"],
        ["curate", "select", seed, "-o", seed, "-k", 3],
        [*select, "-k", 3, "--tokenizer", "nowhere", "--budget-tokens", 5],
    )
    assert {d.code for d in wrong} == {1}
    for done, where in zip(
        wrong, ("quota stage:c", f"{seed}:1: grade", "missing", str(seed), "nowhere"), strict=True
    ):
        assert where in done.err
        assert "fix: " in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_rows_go_through_parquet_with_what_was_told(seed: Path, tmp_path: Path) -> None:
    few = tmp_path / "few.parquet"
    (done,) = session(["curate", "select", seed, "-o", few, "-k", 10])
    assert done.code == 0
    assert pl.read_parquet(few).height == 10


def test_what_was_made_of_a_row_follows_it(seed: Path, tmp_path: Path) -> None:
    more, few = tmp_path / "more.jsonl", tmp_path / "few.jsonl"
    made, done, twice, over = session(
        ["curate", "augment", seed, "-o", more, "--share", 0.5],
        ["curate", "select", more, "-o", few, "-k", 40],
        ["curate", "select", more, "-o", few, "--quota", "stage:a=4", "--quota", "stage:a=2"],
        ["curate", "select", more, "-o", few, "-k", 5, "--quota", "stage:a=9"],
    )
    assert [d.code for d in (made, done, twice, over)] == [0, 0, 2, 2]
    rows = lines(few)
    parents = {parent for row in rows for parent in row.get("parents", [])}
    assert sum("parents" not in row for row in rows) == 40
    assert parents
    assert "made from a row that went" in done.out
    assert f"made from these rows: {len(rows) - 40} more rows, " in done.out


def test_the_error_for_bad_lines_names_a_command_that_leaves_them_out(seed: Path, tmp_path: Path) -> None:
    seed.write_text(f"{seed.read_text(encoding='utf8')}no row\n", encoding="utf8")
    convert = ["curate", "convert", seed.name, "-o", "rows.jsonl", "--rejects", "rejects.jsonl"]
    failed, made, done = session(
        ["curate", "select", seed.name, "-o", "few.jsonl", "-k", 5],
        convert,
        ["curate", "select", "rows.jsonl", "-o", "few.jsonl", "-k", 5],
        cwd=tmp_path,
    )
    assert (failed.code, made.code, done.code) == (1, 0, 0), made.err + done.err
    assert f"`regrind {' '.join(convert)}`" in failed.err
    assert len(lines(tmp_path / "few.jsonl")) == 5
