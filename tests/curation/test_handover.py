"""Each export is read back by the tool it is for, or checked against what that tool documents."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import datasets
import mlcroissant
import polars as pl
import pytest
import yaml
from transformers import AutoTokenizer
from trl import is_conversational, maybe_apply_chat_template

from curation.errors import UserError
from curation.formats import FORMATS
from curation.handover import EVERY, hand_over
from curation.intake import read_file
from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.stored import read_rows
from curation.strata import SPLITS
from tests.tiny import build_tiny_model

SPLIT = Split(0.7, 0.3)
CALL = '{"tool_calls":[{"id":"c1","type":"function","function":{"name":"add","arguments":"{}"}}]}'


def turns(*pairs):
    return [{"role": role, "content": content, "extra": extra} for role, content, extra in pairs]


def pairs(count):
    return [
        make_row(
            turns(("user", f"What is word {i} of page {i * i}?", None), ("assistant", f"word {i}", None)),
            tags=["book"],
            source="in.jsonl",
            line=i + 1,
        )
        for i in range(count)
    ]


def snapshot(folder, rows):
    manifest = write_snapshot(folder, begin(frame(rows)), recipe={}, split=SPLIT, heldout=[])
    return folder / manifest.id


@pytest.fixture
def plain(tmp_path):
    return snapshot(tmp_path / "snapshots", pairs(20))


@pytest.fixture
def rich(tmp_path):
    rows = pairs(10)
    rows.append(
        make_row(turns(("system", "Be brief.", None), ("user", "Hi", None), ("assistant", "Ho", None)))
    )
    rows.append(
        make_row(
            turns(("user", "1+1?", None), ("assistant", "", CALL), ("tool", "2", '{"tool_call_id":"c1"}'))
            + turns(("assistant", "2", None)),
            meta='{"tools":[{"type":"function","function":{"name":"add","parameters":{}}}]}',
        )
    )
    return snapshot(tmp_path / "snapshots", rows)


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


@pytest.mark.parametrize("form", [f for f in EVERY if f not in {"parquet", "huggingface"}])
def test_lines_read_back_as_the_same_rows(tmp_path, plain, form):
    done = hand_over(plain, tmp_path / "out", form)
    rows = read_rows(plain)
    about = json.loads((tmp_path / "out" / "regrind.json").read_text())
    for split, count in done.rows.items():
        found = read_file(tmp_path / "out" / f"{split}.jsonl").rows
        assert found.height == count
        assert found["id"].to_list() == about["rows"][split]
    assert sum(done.rows.values()) == rows.height
    assert (about["snapshot"], done.left_out) == (plain.name, [])


@pytest.mark.parametrize("form", ["parquet", "huggingface"])
def test_tables_are_loaded_by_datasets(tmp_path, plain, form):
    out = tmp_path / "out"
    hand_over(plain, out, form, licence="mit")
    files = {p.stem: str(p) for p in out.rglob("*.parquet")}
    kind = ("parquet", {"data_files": files}) if form == "parquet" else (str(out), {})
    loaded = datasets.load_dataset(kind[0], cache_dir=str(tmp_path / "cache"), **kind[1])
    rows = read_rows(plain)
    for split, table in loaded.items():
        assert table["id"] == rows.filter(split=split)["id"].to_list()
    assert {"role", "content"} <= set(loaded["train"][0]["messages"][0])


def test_the_card_of_the_hub_names_the_splits_and_the_licence(tmp_path, plain):
    hand_over(plain, tmp_path / "out", "huggingface", licence="mit")
    _, head, card = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["license"] == "mit"
    assert told["configs"][0]["data_files"][0] == {"split": "train", "path": "data/train.parquet"}
    assert plain.name in card


@pytest.mark.parametrize("form", ["openai", "huggingface"])
@pytest.mark.parametrize("licence", ["CC: BY [4.0", "- x\n---\n", 'a"b', "yes"])
def test_a_licence_is_quoted_in_the_card(tmp_path, plain, form, licence):
    hand_over(plain, tmp_path / "out", form, licence=licence)
    head = (tmp_path / "out" / "README.md").read_text().split("---\n{", 1)[1].split("\n}\n---\n")[0]
    assert yaml.safe_load("{" + head + "}")["license"] == licence


def load(*where, **more):
    return datasets.load_dataset(*where, **more)


@pytest.mark.parametrize("form", [*FORMATS, "huggingface"])
@pytest.mark.parametrize("last", ["train", "validation"])
def test_datasets_loads_an_export_where_one_split_has_what_the_others_lack(tmp_path, rich, form, last):
    rows = read_rows(rich).drop("split")
    turns = pl.col("messages").list.len()
    split = pl.when(turns != 2).then(pl.lit(last)).otherwise(pl.lit("train" if last != "train" else "test"))
    folder = tmp_path / "one" / rich.name
    placed = rows.with_columns(family=split, split=split)
    shutil.copytree(rich, folder)
    for name in SPLITS:
        placed.filter(split=name).drop("split").write_parquet(folder / f"{name}.parquet")
    out = tmp_path / "out"
    hand_over_unverified(folder, out, form)
    cache = {"cache_dir": str(tmp_path / "cache")}
    loaded = load(str(out), **cache)
    files = {split: str(out / f"{split}.jsonl") for split in loaded}
    if form in FORMATS:
        features = datasets.load_dataset_builder(str(out), **cache).info.features
        again = load("json", data_files=files, features=features, **cache)
        for split, path in files.items():
            written = [json.loads(line) for line in Path(path).read_text().splitlines()]
            empty = dict.fromkeys(features)
            assert loaded[split].to_list() == again[split].to_list() == [empty | line for line in written]
    if form in {"openai", "trl", "axolotl"}:
        (called,) = [r for r in loaded[last] if len(r["messages"]) == 4]
        assert called["messages"][1]["tool_calls"][0]["function"]["name"] == "add"
        assert called["tools"][0]["function"]["name"] == "add"


def hand_over_unverified(folder, out, form):
    with pytest.MonkeyPatch.context() as patch:  # the rows are put into splits by hand
        patch.setattr("curation.handover.demand_whole", lambda _: None)
        return hand_over(folder, out, form, leave_out=True)


def test_plain_chats_are_loaded_by_the_names_of_their_files_too(tmp_path, plain):
    for form in FORMATS:
        hand_over(plain, tmp_path / form, form)
        files = {split: str(tmp_path / form / f"{split}.jsonl") for split in ("train", "validation")}
        loaded = load("json", data_files=files, cache_dir=str(tmp_path / "cache"))
        assert sum(table.num_rows for table in loaded.values()) == 20


def test_what_a_row_says_beside_its_messages_is_in_its_line_or_told_as_lost(tmp_path):
    rows = frame(pairs(12)).with_columns(meta=pl.lit('{"license":"mit","weight":0.5}'))
    folder = snapshot(tmp_path / "s", rows.to_dicts())
    for form in FORMATS:
        done = hand_over(folder, tmp_path / form, form)
        records = [r for split in done.rows for r in lines(tmp_path / form / f"{split}.jsonl")]
        assert json.loads((tmp_path / form / "regrind.json").read_text())["lost"] == done.lost
        if form == "openai":
            assert done.lost == dict.fromkeys(["license", "line", "source", "tags", "weight"], 12)
            assert {tuple(r) for r in records} == {("messages",)}
            continue
        assert done.lost == {}
        told = [json.loads(r["about"]) for r in records]
        assert {t["id"]: t["line"] for t in told} == dict(rows.select("id", "line").rows())
        for t in told:
            assert (t["license"], t["weight"], t["tags"], t["source"]) == ("mit", 0.5, ["book"], "in.jsonl")


def test_croissant_is_valid_and_reads_the_rows(tmp_path, plain):
    hand_over(plain, tmp_path / "out", "huggingface", licence="https://spdx.org/licenses/MIT.html")
    described = mlcroissant.Dataset(jsonld=str(tmp_path / "out" / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    records = list(described.records("train"))
    rows = read_rows(plain).filter(split="train")
    assert [r["train/id"].decode() for r in records] == rows["id"].to_list()
    assert records[0]["train/messages"][0]["train/messages/role"] == b"user"


def test_trl_applies_the_chat_template(tmp_path, plain):
    hand_over(plain, tmp_path / "out", "trl")
    first = lines(tmp_path / "out" / "train.jsonl")[0]
    assert is_conversational(first)
    build_tiny_model(tmp_path / "tiny")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "tiny")
    text = maybe_apply_chat_template(first, tokenizer)["text"]
    assert first["messages"][1]["content"] in text


def test_what_a_format_cannot_hold_is_refused_or_listed(tmp_path, rich):
    for form, unheld in {"openai": 0, "trl": 0, "axolotl": 0, "llama-factory": 1, "sharegpt": 1}.items():
        done = hand_over(rich, tmp_path / form, form, leave_out=True)
        assert len(done.left_out) == unheld
        assert sum(done.rows.values()) + unheld == 12
    with pytest.raises(UserError, match="alpaca cannot hold") as refused:
        hand_over(rich, tmp_path / "alpaca", "alpaca")
    assert "--leave-out" in str(refused.value)
    assert not (tmp_path / "alpaca").exists()
    done = hand_over(rich, tmp_path / "alpaca", "alpaca", leave_out=True)
    assert lines(tmp_path / "alpaca" / "left-out.jsonl") == done.left_out
    assert {entry["reason"] for entry in done.left_out} == {
        "turns other than one question and one answer (system, user, assistant)",
        "a turn with tool_call_id, tool_calls",
    }


def test_tool_calls_and_tools_survive(tmp_path, rich):
    hand_over(rich, tmp_path / "out", "openai")
    records = [r for path in (tmp_path / "out").glob("*.jsonl") for r in lines(path)]
    (called,) = [r for r in records if "tools" in r]
    assert called["messages"][1]["tool_calls"][0]["function"]["name"] == "add"
    assert called["messages"][2]["tool_call_id"] == "c1"


def test_settings_name_files_that_are_there(tmp_path, plain):
    hand_over(plain, tmp_path / "lf", "llama-factory")
    info = json.loads((tmp_path / "lf" / "dataset_info.json").read_text())
    assert {entry["file_name"] for entry in info.values()} == {"train.jsonl", "validation.jsonl"}
    hand_over(plain, tmp_path / "ax", "axolotl")
    assert "path: train.jsonl" in (tmp_path / "ax" / "axolotl.yml").read_text()


def test_a_folder_that_exists_and_a_damaged_snapshot_are_refused(tmp_path, plain):
    (tmp_path / "out").mkdir()
    with pytest.raises(UserError, match="exists already"):
        hand_over(plain, tmp_path / "out", "trl")
    pl.DataFrame({"id": ["x"]}).write_parquet(plain / "train.parquet")
    with pytest.raises(UserError, match="damaged"):
        hand_over(plain, tmp_path / "new", "trl")
    assert not (tmp_path / "new").exists()
