"""Every container gives the same lines, and one that is cut gives all lines before the cut."""

from __future__ import annotations

import bz2
import gzip
import json
import os
import random
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation import unpack
from curation.errors import UserError
from curation.intake import read_file
from curation.sources import blocks

ROOT = Path(__file__).parents[2]


def row(number: int, size: int = 10) -> str:
    turns = [
        {"role": "user", "content": f"{number} é " + "x" * size},
        {"role": "assistant", "content": "yes"},
    ]
    return json.dumps({"messages": turns}, ensure_ascii=False)


def text(rows: int, size: int = 10) -> bytes:
    return "".join(row(i, size) + "\n" for i in range(rows)).encode()


def lines_of(path: Path) -> list[bytes]:
    return [line for block in blocks(path) for line in block.lines() if line]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


PACK = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "gzip of two members": lambda data: gzip.compress(data[:70]) + gzip.compress(data[70:]),
    "gzip with padding": lambda data: gzip.compress(data) + b"\0" * 512,
    "zstd": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "with a mark": lambda data: b"\xef\xbb\xbf" + data,
    "without an end": lambda data: data[:-1],
}


@pytest.mark.parametrize("pack", PACK.values(), ids=PACK.keys())
@pytest.mark.parametrize("block", [1, 7, 64, 2**20])
def test_every_container_gives_the_same_lines(tmp_path, monkeypatch, pack, block):
    monkeypatch.setattr(unpack, "BLOCK", block)
    assert lines_of(written(tmp_path / "a", pack(text(9)))) == text(9).split(b"\n")[:-1]


@given(st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"")), min_size=1, max_size=12))
@settings(deadline=None, derandomize=True, max_examples=80)
def test_lines_keep_their_numbers(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("lines") / "a"
    data = b"x\n" + b"\n".join(lines)
    path.write_bytes(data)
    found = {}
    for block in blocks(path):
        found |= dict(enumerate(block.lines(), block.first))
    expected = dict(enumerate(data.split(b"\n"), 1))
    assert {n: line for n, line in found.items() if line} == {n: line for n, line in expected.items() if line}


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.999])
def test_a_cut_gzip_file_keeps_every_line_before_the_cut(tmp_path, kept):
    numbers = "".join(row(i) + "\n" for i in range(3000)).encode()
    packed = gzip.compress(numbers)
    path = written(tmp_path / "a.gz", packed[: int(len(packed) * kept)])
    whole = bytearray()
    worker = zlib.decompressobj(31)
    whole += worker.decompress(path.read_bytes())
    rows, rejects = read_file(path)
    assert rows.height == bytes(whole).count(b"\n")
    assert rejects.height == 1
    assert "cut here" in rejects["reason"][0]
    assert rejects["line"][0] == rows.height + 1


@pytest.mark.parametrize("packed", ["plain", "gzip", "zstd"])
def test_reading_ahead_gives_the_same_lines_every_time(tmp_path, packed, monkeypatch):
    """The thread that reads may close the file while the last lines are worked on."""
    monkeypatch.setattr(unpack, "BLOCK", 1 << 16)
    path = written(tmp_path / "in", PACK[packed](text(20_000)))
    for _ in range(25):
        assert sum(len(block.lines()) for block in blocks(path)) == 20_000


def test_a_reader_that_is_left_early_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(unpack, "BLOCK", 1 << 12)
    before = threading.active_count()
    for _ in range(5):
        found = blocks(written(tmp_path / "in", text(2000)))
        next(found)
        found.close()
    assert threading.active_count() == before


def test_a_damaged_gzip_file_and_a_cut_zstd_file_keep_what_can_be_read(tmp_path):
    noise = random.Random(0)
    lines = b"".join(row(i).replace("xxx", noise.randbytes(40).hex()).encode() + b"\n" for i in range(5000))
    packed = bytearray(gzip.compress(lines))
    packed[len(packed) // 2] ^= 0xFF
    rows, rejects = read_file(written(tmp_path / "a.gz", bytes(packed)))
    assert rows.height > 100
    assert "damaged" in rejects["reason"][-1]
    squeezed = pa.compress(lines, codec="zstd", asbytes=True)
    rows, rejects = read_file(written(tmp_path / "a.zst", squeezed[: len(squeezed) * 3 // 4]))
    assert rows.height > 100
    assert "cut or damaged" in rejects["reason"][-1]


def test_a_container_that_is_not_known_is_no_text(tmp_path):
    with pytest.raises(UserError):
        read_file(written(tmp_path / "a.bz2", bz2.compress(text(9))))


@pytest.mark.parametrize("indent", [None, 2])
def test_the_items_of_an_array_are_rows(tmp_path, indent):
    items = [json.loads(row(i)) for i in range(5)]
    path = written(tmp_path / "a.json", json.dumps(items, indent=indent).encode())
    rows, rejects = read_file(path)
    assert rows["line"].to_list() == [1, 2, 3, 4, 5]
    assert rejects.height == 0


def test_a_bad_item_of_an_array_is_quarantined_alone(tmp_path):
    items = [json.loads(row(1)), 7, json.loads(row(2)), {"messages": []}]
    rows, rejects = read_file(written(tmp_path / "a.json", json.dumps(items).encode()))
    assert rows["line"].to_list() == [1, 3]
    assert rejects["line"].to_list() == [2, 4]


def test_a_broken_array_keeps_the_items_before_the_fault(tmp_path):
    whole = json.dumps([json.loads(row(i)) for i in range(5)]).encode()
    rows, rejects = read_file(written(tmp_path / "a.json", whole[: len(whole) - 30]))
    assert rows["line"].to_list() == [1, 2, 3, 4]
    assert rejects["line"].to_list() == [5]
    assert "the array is broken here" in rejects["reason"][0]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("broken", [0, 2, 4])
def test_a_broken_item_of_an_array_is_quarantined_alone(tmp_path, indent, broken):
    items = [json.dumps(json.loads(row(i)), indent=indent) for i in range(5)]
    items[broken] = items[broken].replace('"content":', '"content"', 1)
    path = written(tmp_path / "a.json", ("[\n" + ",\n".join(items) + "\n]\n").encode())
    rows, rejects = read_file(path)
    assert rows["line"].to_list() == [n for n in range(1, 6) if n != broken + 1]
    assert len(rejects) == 1
    assert "not JSON" in rejects["reason"][0] or "array is broken here" in rejects["reason"][0]


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLING = {
    "id": 1,
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [CALL, CALL]},
        {"role": "assistant", "content": "Ho"},
    ],
}
GOOD = [json.dumps(CALLING | {"id": i}) for i in range(5)]
BROKEN = GOOD[2].replace('"messages":', '"messages"')
TURNED = json.dumps(dict(reversed(CALLING.items())))
ARRAYS = {
    "an item with tool calls": ([*GOOD[:2], BROKEN, *GOOD[3:]], 4, 1),
    "no object first": (["null", *GOOD[:4], '{"bro'], 4, 2),
    "no key first": (["{}", *GOOD[:4], BROKEN], 4, 2),
    "another key first": ([GOOD[0], BROKEN, TURNED, GOOD[4]], 3, 1),
    "two broken": ([BROKEN, GOOD[1], BROKEN, GOOD[3]], 2, 2),
}


@pytest.mark.parametrize("between", [", ", ",\n  "])
@pytest.mark.parametrize(("items", "good", "bad"), ARRAYS.values(), ids=ARRAYS)
def test_no_item_of_an_array_takes_others_along(tmp_path, items, good, bad, between):
    rows, rejects = read_file(written(tmp_path / "a.json", f"[{between.join(items)}]".encode()))
    assert (rows.height, rejects.height) == (good, bad)


@pytest.mark.parametrize("text", ["[{0} {1}]", "[{0}, {1},]", "[{0}, {1}] x", "[{0}, {1}"])
def test_a_fault_between_the_items_is_named_once(tmp_path, text):
    rows, rejects = read_file(written(tmp_path / "a.json", text.format(*GOOD).encode()))
    assert (rows["line"].to_list(), rejects["line"].to_list()) == ([1, 2], [3])


def test_a_packed_array_that_is_cut_has_one_reject(tmp_path):
    packed = gzip.compress(f"[{', '.join(GOOD * 50)}]".encode())
    rows, rejects = read_file(written(tmp_path / "a.json.gz", packed[:-30]))
    assert rejects["line"].to_list() == [rows.height + 1]
    assert "the gzip file is cut here" in rejects["reason"][0]


def test_lines_behind_a_stray_bracket_are_read(tmp_path):
    lines = ['[{"x": 1},', *GOOD, '{"bad', *GOOD]
    rows, rejects = read_file(written(tmp_path / "a.jsonl", "\n".join(lines).encode()))
    assert (rows.height, rejects.height) == (10, 3)
    assert "the array is broken here" in rejects["reason"][2]


def test_lines_that_are_arrays_do_not_make_the_file_one(tmp_path):
    rows, rejects = read_file(written(tmp_path / "a.jsonl", b"[1, 2]\n" + text(3)))
    assert rows["line"].to_list() == [2, 3, 4]
    assert rejects["reason"].to_list() == ["a JSON array, where an object is needed"]


def test_an_empty_array_is_no_file_of_rows(tmp_path):
    with pytest.raises(UserError):
        read_file(written(tmp_path / "a.json", b"[]"))


def test_a_line_of_50_megabytes_is_read(tmp_path):
    path = written(
        tmp_path / "a", row(1).encode() + b"\n" + row(2, 50_000_000).encode() + b"\n" + row(3).encode()
    )
    rows, rejects = read_file(path)
    assert (rows["line"].to_list(), rejects.height) == ([1, 2, 3], 0)


def test_a_file_cut_inside_a_character(tmp_path):
    data = text(2) + row(3).encode()
    rows, rejects = read_file(written(tmp_path / "a", data[: data.rindex("é".encode()) + 1]))
    assert (rows.height, rejects["line"].to_list()) == (2, [3])
    assert "not UTF-8" in rejects["reason"][0]


def test_standard_input_is_read(tmp_path):
    code = "import sys; from pathlib import Path; from curation.intake import read_file\n"
    code += "rows, rejects = read_file(Path('-'), source='stdin'); print(rows.height, rejects.height)"
    for data in (text(40) + b"bad\n", gzip.compress(text(40) + b"bad\n")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=data,
            capture_output=True,
            check=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert done.stdout.split() == [b"40", b"1"]


def test_a_file_that_grows_while_it_is_read(tmp_path):
    path = written(tmp_path / "a", text(2000, 2000))
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab") as stream:
            while not stop.is_set():
                stream.write(row(1).encode()[:20])
                stream.flush()
                stream.write(row(1).encode()[20:] + b"\n")
                time.sleep(0.0005)

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        for _ in range(5):
            rows, rejects = read_file(path)
            assert rows.height >= 2000
            assert rejects.height <= 1
    finally:
        stop.set()
        thread.join()


def test_a_packed_file_that_is_damaged_at_its_end_gives_what_came_before(tmp_path):
    packed = bytearray(gzip.compress(text(100)))
    packed[-6] ^= 0xFF  # the checksum
    rows, rejects = read_file(written(tmp_path / "a.gz", bytes(packed)))
    assert (rows.height, rejects["line"].to_list()) == (100, [101])


def test_a_cut_behind_a_whole_line_is_a_reject_of_its_own(tmp_path):
    packed = gzip.compress(text(3)[:-1])
    rows, rejects = read_file(written(tmp_path / "a.gz", packed[:-4]))
    assert (rows["line"].to_list(), rejects["line"].to_list()) == ([1, 2, 3], [4])


@pytest.mark.parametrize("bad", ["NaN", r'"\ud800"', "1e999"])
def test_an_item_that_is_no_strict_json_is_rejected_alone(tmp_path, bad):
    items = [row(i) for i in range(50)]
    items[20] = items[20][:-1] + f', "a": {bad}}}'
    for between in (",\n", ","):
        path = written(tmp_path / "a.json", ("[" + between.join(items) + "]").encode())
        rows, rejects = read_file(path)
        assert (rows.height, rejects["line"].to_list()) == (49, [21])


def test_a_large_array_that_is_cut_is_read_in_one_pass(tmp_path):
    whole = ("[" + ",".join(row(i) for i in range(40_000)))[:-5].encode()
    rows, rejects = read_file(written(tmp_path / "a.json", whole))
    assert (rows.height, rejects.height) == (39_999, 1)
