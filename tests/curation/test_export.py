"""What is written reads back as the same rows, in every form."""

from __future__ import annotations

import gzip
import json
import resource
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.errors import UserError
from curation.export import write_rows
from curation.intake import read_file
from curation.rows import frame, make_row
from curation.tables import is_table

FORMS = ["out.jsonl", "out.jsonl.gz", "out.jsonl.zst", "out.json", "out.json.gz", "out.parquet", "out.hf"]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
EXTRAS = st.none() | st.sampled_from(
    ['{"name":"ada"}', '{"tool_calls":[{"function":{"arguments":"{\\"a\\": 1}","name":"add"},"id":"c1"}]}']
)
TURNS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"]), "content": TEXT, "extra": EXTRAS}
    ),
    min_size=1,
    max_size=4,
)
METAS = st.sampled_from(["{}", '{"a":null,"b":[1,{"c":2.5}]}', '{"id":"x","score":0.5}'])
ROWS = st.builds(
    lambda turns, tags, parents, meta: make_row(turns, tags=tags, parents=parents, meta=meta),
    TURNS,
    st.lists(TEXT, max_size=2),
    st.lists(st.just("0123456789abcdef"), max_size=2),
    METAS,
)


@pytest.mark.parametrize("form", FORMS)
@given(rows=st.lists(ROWS, min_size=1, max_size=5))
@settings(deadline=None, derandomize=True, max_examples=25)
def test_read_write_read_is_the_identity(tmp_path_factory, form, rows):
    folder = tmp_path_factory.mktemp("trip")
    numbered = frame(row | {"line": n, "source": "s"} for n, row in enumerate(rows, 1))
    write_rows(numbered, folder / form)
    again = read_file(folder / form, source="s")
    assert again.rejects.height == 0
    assert again.rows.equals(numbered)


@pytest.mark.parametrize("form", ["out.jsonl.gz", "out.jsonl.zst", "out.jsonl"])
def test_the_same_rows_give_the_same_bytes(tmp_path, form):
    rows = frame([make_row([{"role": "user", "content": "Hi"}], line=1)])
    (tmp_path / "a").mkdir()
    for folder in (tmp_path, tmp_path / "a"):
        write_rows(rows, folder / form)
    assert (tmp_path / form).read_bytes() == (tmp_path / "a" / form).read_bytes()


ODD = 'a "quote", a \\, \u00e9\n\x01'
PLAIN = [make_row([{"role": "user", "content": f"{n} {ODD}"}], line=n) for n in range(30_000)]


def test_plain_rows_have_the_same_bytes_packed_or_not(tmp_path):
    rows = frame(PLAIN)
    write_rows(rows, tmp_path / "out.jsonl")
    write_rows(rows, tmp_path / "out.jsonl.gz")
    assert gzip.decompress((tmp_path / "out.jsonl.gz").read_bytes()) == (tmp_path / "out.jsonl").read_bytes()
    assert read_file(tmp_path / "out.jsonl").rows["messages"].equals(rows["messages"])


def test_a_disk_that_fills_while_plain_rows_are_written_is_told(tmp_path):
    _, hard = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(UserError, match="no disk space left"):
            write_rows(frame(PLAIN), tmp_path / "out.jsonl")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_device_that_is_full_is_told():
    with pytest.raises(UserError, match="no disk space left"):
        write_rows(frame(PLAIN), Path("/dev/full"))


def test_a_folder_that_exists_is_not_written_into(tmp_path):
    (tmp_path / "out.hf").mkdir()
    with pytest.raises(UserError, match="exists already"):
        write_rows(frame([make_row([{"role": "user", "content": "Hi"}])]), tmp_path / "out.hf")


def test_foreign_tables_are_read_by_their_columns(tmp_path):
    turns = [[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]]
    pl.DataFrame({"messages": turns, "score": [0.5]}).write_parquet(tmp_path / "chat.parquet")
    pl.DataFrame({"prompt": ["a", "b"], "response": ["c", None]}).write_parquet(tmp_path / "pairs.bin")
    chat, pairs = read_file(tmp_path / "chat.parquet"), read_file(tmp_path / "pairs.bin")
    assert json.loads(chat.rows["meta"][0]) == {"score": 0.5}
    assert pairs.rows["line"].to_list() == [1]
    assert pairs.rejects.select("line").rows() == [(2,)]
    assert "response is missing" in pairs.rejects["reason"][0]


def test_a_datasets_folder_of_several_splits_is_read_as_one(tmp_path):
    datasets = pytest.importorskip("datasets")
    part = datasets.Dataset.from_list([{"question": "Who?", "answer": "Ada"}] * 3)
    datasets.DatasetDict({"train": part, "test": part.select([0])}).save_to_disk(str(tmp_path / "d"))
    assert is_table(tmp_path / "d")
    assert read_file(tmp_path / "d").rows.height == 4


def test_a_damaged_table_is_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(UserError, match="the table cannot be read"):
        read_file(tmp_path / "a.parquet")


def test_a_number_that_is_no_json_is_rejected(tmp_path):
    pl.DataFrame(
        {"prompt": ["a", "b"], "response": ["c", "d"], "score": [float("inf"), float("nan")]}
    ).write_parquet(tmp_path / "a.parquet")
    rows, rejects = read_file(tmp_path / "a.parquet")
    assert (rows["line"].to_list(), rejects["line"].to_list()) == ([2], [1])


@pytest.mark.parametrize("meta", ["oops", "[1]", None])
def test_a_table_that_only_looks_like_ours_is_read_or_rejected(tmp_path, meta):
    rows = frame([make_row([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}])])
    table = rows.select("messages", "tags", "parents", meta=pl.lit(meta, pl.String)).with_columns(
        more=pl.lit("x")
    )
    table.write_parquet(tmp_path / "a.parquet")
    found = read_file(tmp_path / "a.parquet")
    assert found.rows.height == 1
    assert json.loads(found.rows["meta"][0])["more"] == "x"
    table.with_columns(messages=pl.lit(None, rows.schema["messages"])).vstack(table).write_parquet(
        tmp_path / "b.parquet"
    )
    assert read_file(tmp_path / "b.parquet").rejects["line"].to_list() == [1]


def test_reading_a_datasets_folder_leaves_it_as_it_is(tmp_path):
    datasets = pytest.importorskip("datasets")
    part = datasets.Dataset.from_list([{"question": str(i), "answer": "Ada"} for i in range(4)])
    part.select([3, 1]).save_to_disk(str(tmp_path / "d"))
    before = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert read_file(tmp_path / "d").rows.height == 2
    assert sorted(path.name for path in (tmp_path / "d").iterdir()) == before


def test_a_packed_array_is_an_array(tmp_path):
    write_rows(frame([make_row([{"role": "user", "content": "Hi"}])]), tmp_path / "out.json.gz")
    assert isinstance(json.loads(gzip.decompress((tmp_path / "out.json.gz").read_bytes())), list)
