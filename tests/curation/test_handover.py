"""Each export is read back by the tool it is for, or checked against what that tool documents."""

from __future__ import annotations

import json

import datasets
import mlcroissant
import polars as pl
import pytest
import yaml
from transformers import AutoTokenizer
from trl import is_conversational, maybe_apply_chat_template

from curation.errors import UserError
from curation.handover import EVERY, hand_over
from curation.intake import read_file
from curation.parent import Growth
from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.stored import read_rows
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
    return [json.loads(line) for line in path.read_text(encoding="utf8").split("\n") if line]


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
    assert yaml.safe_load(head)["license"] == "mit"
    assert "path: data/train.parquet" in head
    assert plain.name in card


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


def test_a_split_of_which_no_row_is_left_has_no_file(tmp_path):
    rows = pairs(6)
    rows += [r | {"messages": turns(("system", "Be brief.", None)) + r["messages"]} for r in pairs(12)[6:]]
    rows = [make_row(r["messages"], family="a" if n < 6 else "b") for n, r in enumerate(rows)]
    for shares in (Split(0.5, 0.5), Split(0.1, 0.9), Split(0.9, 0.1)):
        manifest = write_snapshot(tmp_path, begin(frame(rows)), recipe={}, split=shares, heldout=[])
        out = tmp_path / f"out{shares.train}"
        done = hand_over(tmp_path / manifest.id, out, "alpaca", leave_out=True)
        there = {path.stem for path in out.glob("*.jsonl")} - {"left-out"}
        assert there == {split for split, count in done.rows.items() if count}
        assert set(datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))) == there


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


def called(number, arguments):
    call = {"id": "c1", "type": "function", "function": {"name": f"f{number}", "arguments": arguments}}
    tool = {
        "type": "function",
        "function": {"name": f"f{number}", "parameters": {f"p{number}": {"type": "x"}}},
    }
    return make_row(
        turns(
            ("user", f"use the tool of the {number}th table", None),
            ("assistant", "", json.dumps({"tool_calls": [call]})),
            ("tool", "2", '{"tool_call_id":"c1"}'),
            ("assistant", "naïve 東京 🙂 \u2028 end", '{"weight":1}'),
        ),
        meta=json.dumps({"tools": [tool]}),
    )


def in_splits(folder, **rows):
    """A snapshot with these rows in these splits."""
    growth = None
    for split, part in rows.items():
        shares = Split(**{name: float(name == split) for name in ("train", "validation", "test")})
        name = write_snapshot(
            folder, begin(frame(part)), recipe={}, split=shares, heldout=[], growth=growth
        ).id
        growth = Growth(name)
    return folder / name


@pytest.mark.parametrize("form", ["openai", "trl", "axolotl"])
@pytest.mark.parametrize("kinds", [("plain", "called"), ("called", "plain"), ("called", "called")])
def test_datasets_reads_turns_of_all_fields_whichever_split_has_them(tmp_path, form, kinds):
    made = {"plain": pairs(5), "called": [called(n, json.dumps({f"a{n}": n})) for n in (1, 2)]}
    train, validation = (made[kind] for kind in kinds)
    if kinds == ("called", "called"):
        validation = [called(3, '{"other": 1}'), *pairs(2)]
    source = in_splits(tmp_path / "snapshots", train=train, validation=validation, test=pairs(9)[7:])
    done = hand_over(source, tmp_path / "out", form)
    assert not done.left_out
    assert set(done.rows) == {"train", "validation", "test"}
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    for split, table in loaded.items():
        wanted = lines(tmp_path / "out" / f"{split}.jsonl")
        found = [{key: value for key, value in row.items() if value is not None} for row in table]
        assert found == wanted


def test_arguments_that_are_no_text_are_kept_for_trl_and_refused_for_openai(tmp_path):
    source = snapshot(tmp_path / "snapshots", [*pairs(6), called(1, {"a": 1}), called(2, {"b": [2]})])
    hand_over(source, tmp_path / "trl", "trl")
    loaded = datasets.load_dataset(str(tmp_path / "trl"), cache_dir=str(tmp_path / "cache"))
    calls = [
        t["tool_calls"] for part in loaded.values() for r in part for t in r["messages"] if "tool_calls" in t
    ]
    assert sorted(str(c[0]["function"]["arguments"]) for c in calls) == ["{'a': 1}", "{'b': [2]}"]
    with pytest.raises(UserError, match="arguments as text"):
        hand_over(source, tmp_path / "openai", "openai")


UNFIT = {
    "a last turn that is not the assistant's": (
        ("user", "Hi", None),
        ("assistant", "Ho", None),
        ("user", "Yo", None),
    ),
    "a weight other than 0 or 1": (("user", "Hi", None), ("assistant", "Ho", '{"weight":0.5}')),
    "a tool's turn without tool_call_id": (
        ("user", "Hi", None),
        ("tool", "2", None),
        ("assistant", "Ho", None),
    ),
}


@pytest.mark.parametrize("reason", UNFIT)
def test_what_openai_refuses_is_refused_before(tmp_path, reason):
    source = snapshot(tmp_path / "snapshots", [*pairs(3), make_row(turns(*UNFIT[reason]))])
    with pytest.raises(UserError, match=reason):
        hand_over(source, tmp_path / "out", "openai")


@pytest.mark.parametrize("form", [f for f in EVERY if f not in {"parquet", "huggingface"}])
def test_images_are_refused_and_what_is_told_of_rows_is_counted(tmp_path, form):
    told = make_row(pairs(1)[0]["messages"], tags=["a"], meta='{"weight":0.5,"score":1,"license":"mit"}')
    seen = make_row(
        turns(("user", "What is this?", None), ("assistant", "A cat", None)), meta='{"images":["a.png"]}'
    )
    source = snapshot(tmp_path / "snapshots", [told, seen])
    done = hand_over(source, tmp_path / "out", form, leave_out=True)
    assert [(entry["row"], entry["reason"]) for entry in done.left_out] == [(seen["id"], "the field images")]
    assert done.unheld == {"tags": 1, "weight": 1, "score": 1, "license": 1}
    assert json.loads((tmp_path / "out" / "regrind.json").read_text())["unheld"] == done.unheld


@pytest.mark.parametrize("form", ["openai", "trl", "axolotl", "llama-factory", "sharegpt"])
def test_several_turns_a_system_message_and_no_text_are_kept(tmp_path, form):
    talk = turns(
        ("system", "", None), ("user", "Hi\r\n\tyou", None), ("assistant", "", None), ("user", "?", None)
    )
    row = make_row([*talk, *turns(("assistant", "naïve 東京 🙂 \u2028 \x00 end", None))])
    hand_over(snapshot(tmp_path / "snapshots", [row]), tmp_path / "out", form)
    (path,) = (tmp_path / "out").glob("*.jsonl")
    assert read_file(path).rows["id"].to_list() == [row["id"]]


@pytest.mark.parametrize("form", ["alpaca", "llama-factory", "prompt-completion", "sharegpt"])
def test_datasets_reads_formats_of_text(tmp_path, plain, form):
    hand_over(plain, tmp_path / "out", form)
    files = {split: str(tmp_path / "out" / f"{split}.jsonl") for split in ("train", "validation")}
    loaded = datasets.load_dataset("json", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert all(list(table) == lines(tmp_path / "out" / f"{split}.jsonl") for split, table in loaded.items())


def test_a_licence_with_signs_of_yaml_is_quoted(tmp_path, plain):
    hand_over(plain, tmp_path / "out", "huggingface", licence="CC: BY [4.0")
    _, head, _ = (tmp_path / "out" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "CC: BY [4.0"
