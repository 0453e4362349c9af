"""`regrind curate mine` as a user meets it: what stayed, what went, and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.loop.byhand import write_lines
from tests.loop.commands import lines, session

if TYPE_CHECKING:
    from pathlib import Path

ANSWER = "Open the settings, choose your account, and press reset."
LOG = [
    {"input": "a", "output": ANSWER, "feedback": {"score": 5}, "latency_ms": 900, "model": "m-1"},
    {"input": "b", "output": ANSWER, "feedback": {"score": 1}, "latency_ms": 900},
    {"input": "c", "output": ANSWER, "latency_ms": 900},
    {"input": "d", "output": "Yes.", "feedback": {"score": 5}},
]


def test_good_conversations_stay_and_the_others_are_counted(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", LOG)
    with path.open("a", encoding="utf8") as stream:
        stream.write('{"input": "torn')
    out, drops, rejects = (tmp_path / name for name in ("out.jsonl", "drops.jsonl", "rejects.jsonl"))
    command = ["curate", "mine", path, "-o", out, "--rating-field", "feedback.score"]
    told, as_json = session([*command, "--drops", drops, "--rejects", rejects], [*command, "--json"])
    assert (told.code, as_json.code) == (0, 0)
    assert "next: regrind curate dedup" in told.err
    assert [r["model"] for r in lines(out)] == ["m-1"]
    assert [(d["line"], d["reason"]) for d in lines(drops)] == [
        (2, "rating below 4"), (3, "rating missing"), (4, "answer of 50 characters or fewer")
    ]  # fmt: skip
    assert [r["line"] for r in lines(rejects)] == [5]
    assert "of 4 rows, 1 have no rating, 1 have no latency, 4 have no edited" in told.out
    report = json.loads(as_json.out)
    assert (report["lines"], report["rejected"], report["rows"], report["kept"]) == (5, 1, 4, 1)
    assert report["missing"] == {"rating": 1, "latency": 1, "edited": 4}
    for why, count in report["dropped"].items():
        assert f"{why} " in told.out
        assert count == 1


def test_a_log_of_which_nothing_stays_is_a_message(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", LOG)
    (done,) = session(["curate", "mine", path, "-o", tmp_path / "out.jsonl"])
    assert done.code == 1
    assert f"error: {path}: no row is left (3 of 4: rating missing)\n  fix: name the fields" in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_wrong_usage_and_bad_input_write_nothing(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", LOG)
    (tmp_path / "empty.jsonl").touch()
    before = sorted(tmp_path.iterdir())
    mine, out = ["curate", "mine"], ["-o", tmp_path / "out.jsonl"]
    done = session(
        [*mine, path, *out, "--missing-rating", "maybe"],
        [*mine, path, *out, "--max-latency", 0],
        [*mine, *out],
        [*mine, path, "-o", path],
        [*mine, tmp_path / "empty.jsonl", *out],
        [*mine, path, *out, "--drops", tmp_path / "out.jsonl"],
    )
    assert [(d.code, d.out) for d in done] == [(code, "") for code in (2, 2, 2, 1, 1, 1)]
    assert "--max-latency" in done[1].err
    assert sorted(tmp_path.iterdir()) == before


def test_the_same_log_twice_is_read_once(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", LOG)
    command = [
        "curate",
        "mine",
        path,
        path,
        "-o",
        tmp_path / "out.jsonl",
        "--missing-rating",
        "keep",
        "--json",
    ]
    (done,) = session(command)
    assert json.loads(done.out)["rows"] == 4


def test_no_file_takes_its_name_before_all_are_written(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "log.jsonl", LOG)
    out, folder = tmp_path / "out.jsonl", tmp_path / "folder"
    out.write_text("as it was")
    folder.mkdir()
    options = ["--rating-field", "feedback.score", "-o", out, "--drops", folder]
    (done,) = session(["curate", "mine", path, *options])
    assert (done.code, out.read_text()) == (1, "as it was")
