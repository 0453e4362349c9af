"""The curate commands as a user meets them: a file in, a file out, and a message where that cannot be."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, get_args

import pytest

from curation.best import Keep
from curation.dedup import Compare, Mode, Policy
from curation.pii import ALL
from curation.rows import row_id
from loop.cli.dedup import CHOICES, _bytes
from loop.cli.redact import PERSONAL
from tests.loop.byhand import capitals, write_lines
from tests.loop.commands import ENVIRONMENT, START, lines, regrind, session

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "seed.jsonl", capitals())


def test_validate_a_good_file(seed: Path) -> None:
    done = regrind("curate", "validate", seed)
    assert done.code == 0
    assert "13 rows, 0 lines rejected" in done.out
    assert "next: regrind curate dedup" in done.err


def test_validate_names_every_bad_line_and_ends_with_3(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write('{"question": "Who?"}\n{"question": "Who?", "answer": ""}\n')
    rejects = tmp_path / "rejects.jsonl"
    done, as_json = session(
        ["curate", "validate", seed, "--rejects", rejects], ["curate", "validate", seed, "--json"]
    )
    assert (done.code, as_json.code) == (3, 3)
    assert f"{seed}:14: error: " in done.out
    assert f"{seed}:15: error: R102" in done.out
    assert [r["line"] for r in lines(rejects)] == [14]
    report = json.loads(as_json.out)
    assert (report["is_valid"], report["rows"], len(report["rejected"])) == (False, 14, 1)


def test_prompts_are_not_asked_for_answers(tmp_path: Path) -> None:
    chats = [{"messages": [{"role": "user", "content": f"{n}?"}]} for n in range(12)]
    path = write_lines(tmp_path / "pool.jsonl", chats)
    done = session(["curate", "validate", path], ["curate", "validate", path, "--kind", "prompts"])
    assert [d.code for d in done] == [3, 0]


def test_rules_are_selected_ignored_and_taken_from_the_workspace(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write('{"question": "Who?", "answer": ""}\n{"question": "Why?", "answer": "N/A"}\n')
    here = tmp_path / "here"
    write_lines(here / "data.jsonl", [])
    rules = '[rules]\nignore = ["S"]\nlevels = {R301 = "error"}\n[train]\nmax_length = 8\n'
    (here / "regrind.toml").write_text(rules, encoding="utf8")
    validate = ["curate", "validate", seed]
    bare, few, none, unknown, there = session(
        validate,
        [*validate, "--select", "R3,S", "--ignore", "S002"],
        [*validate, "--ignore", "R1", "--ignore", "R3, S"],
        [*validate, "--select", "X1"],
        [*validate, "-w", here],
    )
    inside = session(validate, [*validate, "--select", "R1,R3,S"], [*validate, "-w", tmp_path], cwd=here)
    assert [d.code for d in (bare, few, none, unknown, there)] == [3, 0, 0, 1, 3]
    assert [d.code for d in inside] == [3, 3, 1]
    assert ("S002" in bare.out, "R102" in bare.out, "warning: R301" in bare.out) == (True, True, True)
    assert [line.split(": ")[2].split()[0] for line in few.out.splitlines()[:-2]] == ["R301"]
    assert len(none.out.splitlines()) == 2
    assert "no rule has the code 'X1'" in unknown.err
    for done in (there, inside[0]):
        assert f"{seed}:15: error: R301" in done.out
        assert "S002" not in done.out
    assert "R201" not in there.out
    assert "R102" in inside[1].out
    assert "no workspace" in inside[2].err


def test_findings_as_workflow_commands(tmp_path: Path) -> None:
    odd = tmp_path / "a,b:c%.jsonl"
    rows = [{"prompt": f"Message {n}", "response": ("yes", "no")[n % 2]} for n in range(30)]
    write_lines(
        odd, [*rows, {"prompt": "Message 1", "response": "maybe"}, {"prompt": "?", "response": "\x07"}]
    )
    with odd.open("a", encoding="utf8") as stream:
        stream.write("not JSON\n")
    done, with_json = session(
        ["curate", "validate", odd, "--format", "github"], ["curate", "validate", odd, "--format", "json"]
    )
    assert (done.code, with_json.code) == (3, 3)
    file = f"file={tmp_path}/a%2Cb%3Ac%25.jsonl"
    shown = done.out.splitlines()
    assert shown[0].startswith(f"::error {file},line=33,title=rejected::not JSON")
    assert shown[1] == f"::warning {file},title=S002::few rows: 32 rows; 100 or more are advised (add rows)"
    assert f"::error {file},line=32,title=R402::control characters (remove them)" in shown
    (conflict,) = [line for line in shown if "R501" in line]
    assert conflict.startswith(f"::warning {file},line=31,title=R501::conflicting answers to one prompt: ")
    assert f"{odd}:2".replace("%", "%25") in conflict
    assert len(json.loads(with_json.out)["findings"]) == len(shown) - 1


def test_files_that_are_given_together_are_compared(seed: Path, tmp_path: Path) -> None:
    other = write_lines(tmp_path / "other.jsonl", [*capitals()[3:5], {"question": "Who?", "answer": "Ada"}])
    done, alone = session(["curate", "validate", seed, other, "--ignore", "S"], ["curate", "validate", other])
    assert done.code == 0
    found = [line for line in done.out.splitlines() if "R502" in line]
    assert [line.split(": ")[0] for line in found] == [f"{other}:1", f"{other}:2"]
    assert f"also at {seed}:4" in found[0]
    assert "R502" not in alone.out


def test_dedup_says_what_went_and_for_which_row(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write('{"question": "France: capital?", "answer": "Lyon"}\n')
    out, drops = tmp_path / "clean.jsonl", tmp_path / "drops.jsonl"
    dedup = ["curate", "dedup", seed, "-o", out]
    done, dropped, wrong = session(
        [*dedup, "--drops", drops],
        ["curate", "dedup", seed, "-o", tmp_path / "fewer.jsonl", "--json", "--conflicts", "drop_all"],
        [*dedup, "--conflicts", "guess"],
    )
    assert (done.code, dropped.code, wrong.code) == (0, 0, 2)
    assert "14 rows in, 13 out: 1 exact duplicate" in done.out
    assert "conflict: " in done.out
    assert len(lines(out)) == 13
    (drop,) = lines(drops)
    assert (drop["line"], drop["partner_line"], drop["similarity"]) == (13, 1, 1.0)
    report = json.loads(dropped.out)
    assert (report["rows_out"], len(report["conflicts"])) == (11, 1)
    assert (report["templates"], report["rows_by_minhash"]) == ([], 0)


PAIR = "Which animals of the northern forests sleep through the whole of the winter in a den that is {}?"


def test_dedup_shows_a_pair_and_stops_before_too_much_goes(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        for word in ("warm", "deep"):
            stream.write(json.dumps({"question": PAIR.format(word), "answer": "bears"}) + "\n")
    out, drops = tmp_path / "clean.jsonl", tmp_path / "drops.jsonl"
    dedup = ["curate", "dedup", seed]
    near, stopped, large, forced, exact, nowhere, whole = session(
        [*dedup, "-o", out, "--drops", drops],
        [*dedup, "-o", tmp_path / "no.jsonl", "--max-loss", 0.01],
        [*dedup, "-o", tmp_path / "no.jsonl", "--max-cluster", 1],
        [*dedup, "-o", tmp_path / "forced.jsonl", "--max-loss", 0.01, "--force", "--threads", 1],
        [*dedup, "-o", tmp_path / "exact.jsonl", "--exact", "--json"],
        dedup,
        [*dedup, "-o", tmp_path / "whole.jsonl", "--on", "all", "--mode", "connected", "--keep", "first"],
    )
    assert [d.code for d in (near, stopped, large, forced, exact, nowhere, whole)] == [0, 1, 1, 0, 0, 2, 0]
    assert "1 exact duplicate; 1 near duplicate" in near.out
    gone = next(d for d in lines(drops) if d["reason"] == "near duplicate")
    assert {gone["only_here"], gone["only_there"]} == {"warm", "deep"}
    assert {gone["line"], gone["partner_line"]} == {14, 15}
    assert "--max-loss" in stopped.err
    assert "the largest cluster begins" in large.err
    assert not (tmp_path / "no.jsonl").exists()
    assert json.loads(exact.out)["dropped"] == {"exact duplicate": 1}
    shown, kept, missing = session(
        [*dedup, "--explain", gone["line"]], [*dedup, "--explain", 2], [*dedup, "--explain", 99]
    )
    assert (shown.code, kept.code, missing.code) == (0, 0, 1)
    assert f"line {gone['line']}: near duplicate of line {gone['partner_line']}" in shown.out
    assert "[warm?]" in shown.out
    assert "line 2 stays" in kept.out
    assert "no row has this line" in missing.err


def test_redact_select_and_augment(tmp_path: Path) -> None:
    asked = "please name the capital city of the country that comes last, and tell ada@example.org: "
    rows = [{"prompt": asked + r["question"], "response": r["answer"]} for r in capitals()[:-1]]
    source, out = write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    few, more = tmp_path / "few.jsonl", tmp_path / "more.jsonl"
    redacted, selected, augmented = session(
        ["curate", "redact", source, "-o", out],
        ["curate", "select", out, "-o", few, "-k", 5, "--floor", 0, "--json"],
        ["curate", "augment", out, "-o", more, "--share", 0.5],
    )
    assert (redacted.code, selected.code, augmented.code) == (0, 0, 0)
    assert "example.org" not in out.read_text(encoding="utf8")
    assert out.read_text(encoding="utf8").count("[EMAIL]") == 12
    report = json.loads(selected.out)
    assert (report["rows_in"], report["rows_out"], len(lines(few))) == (12, 5, 5)
    assert len(lines(more)) > 12
    assert {tuple(sorted(r)) for r in lines(more)} <= {
        ("messages", "tags"),
        ("messages", "parents", "tags"),
    }


def test_redact_reports_and_drops(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{who}, or 203.0.113.{n}?", "response": "No."}
        for n, who in enumerate(["Me", "a@b.example"])
    ]
    source, out = (
        write_lines(tmp_path / "in.jsonl", [*rows, {"prompt": "Hi", "response": "Ho"}]),
        tmp_path / "out",
    )
    drops, redact = tmp_path / "drops.jsonl", ["curate", "redact", source]
    said, as_json, dropped, clean = session(
        [*redact, "--action", "report", "-o", out, "--kinds", "email"],
        [*redact, "--action", "report", "--json"],
        [*redact, "--action", "drop", "-o", tmp_path / "few.jsonl", "--kinds", "EMAIL,KEY", "--drops", drops],
        ["curate", "redact", tmp_path / "few.jsonl", "--action", "report", "--kinds", "EMAIL"],
    )
    assert (said.code, as_json.code, dropped.code, clean.code) == (3, 3, 0, 0)
    assert f"{source}:2: EMAIL in messages[0].content: [EMAIL], or [IP]?\n1 found in 1 rows" in said.out
    assert [(r["kind"], r["line"]) for r in lines(out)] == [("EMAIL", 2)]
    assert len(json.loads(as_json.out)["found"]) == 3
    assert "a@b.example" not in said.out + as_json.out + out.read_text(encoding="utf8")
    assert "3 rows in, 2 out: 1 personal data: EMAIL" in dropped.out
    assert [(r["line"], r["reason"]) for r in lines(drops)] == [(2, "personal data: EMAIL")]


def test_redact_refuses_what_it_does_not_know(seed: Path, tmp_path: Path) -> None:
    redact, before = ["curate", "redact", seed], sorted(tmp_path.iterdir())
    wrong = [["--kinds", "NAME"], ["--kinds", ""], ["--action", "guess"], []]
    for done in session(*([*redact, *options] for options in wrong)):
        assert done.code == 2
    assert sorted(tmp_path.iterdir()) == before


def test_the_command_names_the_kinds_that_there_are() -> None:
    assert PERSONAL == ALL


def test_the_command_names_the_choices_that_there_are() -> None:
    kinds = {"on": Compare, "conflicts": Policy, "mode": Mode, "keep": Keep}
    assert {name: get_args(kind) for name, kind in kinds.items()} == CHOICES


def test_dedup_against_what_is_there_already(seed: Path, tmp_path: Path) -> None:
    new, out = tmp_path / "new.jsonl", tmp_path / "out.jsonl"
    write_lines(new, [*capitals()[:2], {"question": "Who wrote the first program?", "answer": "Ada"}])
    dedup = ["curate", "dedup", new, "--against", seed]
    stopped, done, shown, refused, odd, little = session(
        [*dedup, "-o", out],
        [*dedup, "-o", out, "--force", "--drops", tmp_path / "drops.jsonl"],
        [*dedup, "--explain", 2],
        [*dedup, "-o", out, "--memory", "1GB"],
        ["curate", "dedup", seed, "-o", out, "--memory", "much"],
        ["curate", "dedup", seed, "-o", tmp_path / "little.jsonl", "--memory", "0.5 GB"],
    )
    assert (stopped.code, done.code, shown.code) == (1, 0, 0)
    assert f"indexed {seed} anew, because there was none yet" in stopped.err.replace("\n", "")
    assert "indexed" not in done.err + shown.err
    assert (refused.code, odd.code, little.code) == (2, 2, 0)
    assert [drop["only_here"] for drop in lines(tmp_path / "drops.jsonl")] == ["", ""]
    assert "3 rows in, 1 out: 2 exact duplicate" in done.out
    assert [r["messages"][1]["content"] for r in lines(out)] == ["Ada"]
    assert "line 2: exact duplicate of line 2" in shown.out


def test_dedup_leaves_alone_what_is_no_index(seed: Path, tmp_path: Path) -> None:
    new, foreign = tmp_path / "new.jsonl", tmp_path / ".seed.jsonl.known"
    write_lines(new, capitals()[:2])
    (foreign / "sub").mkdir(parents=True)
    (foreign / "important.txt").write_text("mine", encoding="utf8")
    (done,) = session(["curate", "dedup", new, "--against", seed, "-o", tmp_path / "out.jsonl", "--force"])
    assert (done.code, done.err.count("no index is kept")) == (0, 1)
    assert "2 rows in, 0 out: 2 exact duplicate" in done.out
    assert (foreign / "important.txt").read_text(encoding="utf8") == "mine"


def test_dedup_tells_of_labels_calls_and_rows_that_were_made(seed: Path, tmp_path: Path) -> None:
    labelled, made = tmp_path / "kto.jsonl", tmp_path / "made.jsonl"
    rows = [{"prompt": f"{PAIR} {n}", "completion": "bears", "label": n} for n in (True, False)]
    write_lines(labelled, [{**row, "prompt": PAIR} for row in rows])
    call = [{"id": "1", "type": "function", "function": {"name": "stop", "arguments": "{}"}}]
    turns = [{"role": "user", "content": PAIR}, {"role": "assistant", "content": None, "tool_calls": call}]
    write_lines(made, [{"messages": turns}, {"messages": turns}, *capitals()[:0]])
    shape = ["--shape", "messages"]
    drops = tmp_path / "drops.jsonl"
    told, best, shown, plain, kept = session(
        ["curate", "dedup", labelled, "-o", tmp_path / "o.jsonl"],
        [
            "curate",
            "dedup",
            labelled,
            "-o",
            tmp_path / "b.jsonl",
            "--conflicts",
            "keep_best",
            "--drops",
            drops,
        ],
        ["curate", "dedup", made, *shape, "--explain", 2, "--json"],
        ["curate", "dedup", made, *shape, "--explain", 2],
        ["curate", "dedup", made, *shape, "--explain", 1, "--json"],
    )
    assert [d.code for d in (told, best, shown, plain, kept)] == [0] * 5
    assert "2 rows in, 2 out: none dropped" in told.out
    assert 'with {"label":true}' in told.out
    assert "1 conflicting label" in best.out
    assert json.loads(shown.out)["partner_messages"][1]["role"] == "assistant"
    assert "tool_call stop" in plain.out
    assert json.loads(kept.out) == {"line": 1, "reason": None, "conflicts": []}
    assert [d["reason"] for d in lines(drops)] == ["conflicting label"]


def test_dedup_explains_a_row_whose_parent_went(tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": PAIR.format(w)}]} for w in ("warm", "deep", "dark")]
    ids = [row_id(row["messages"]) for row in rows]
    rows[2] |= {"tags": ["augmented"], "parents": [max(ids[:2])]}  # the row with the lower id stays
    write_lines(tmp_path / "in.jsonl", rows)
    command = ["curate", "dedup", tmp_path / "in.jsonl", "--shape", "messages"]
    explained, done = session(
        [*command, "--explain", 3],
        [*command, "-o", tmp_path / "out.jsonl", "--force", "--drops", tmp_path / "drops.jsonl"],
    )
    assert f"line 3: made from a row that went: row {max(ids[:2])}" in explained.out
    assert "[dark?]" in explained.out
    assert "Warning" not in explained.err
    assert (explained.code, done.code, len(lines(tmp_path / "drops.jsonl"))) == (0, 0, 2)


def test_dedup_refuses_what_it_cannot_do(seed: Path, tmp_path: Path) -> None:
    out = ["-o", tmp_path / "out.jsonl"]
    wrong = [["-", "--against", "-"], [seed, "--memory", ""], [seed, "--memory", "1iB"]]
    wrong += [[seed, "--memory", "1GB", "--exact"]]
    assert [d.code for d in session(*(["curate", "dedup", *w, *out] for w in wrong))] == [2] * len(wrong)
    assert [_bytes(size) for size in ("1GB", "1.5 KiB", "7", "2g", "1B")] == [10**9, 1536, 7, 2 * 10**9, 1]


BAD = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n",
    "binary.jsonl": bytes(range(256)) * 8,
    "shape.jsonl": b'{"left": 1, "right": 2}\n',
    "list.jsonl": b"[1, 2]\n",
}


def test_bad_input_is_a_message_and_writes_nothing(tmp_path: Path) -> None:
    for name, content in BAD.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    paths = [tmp_path / name for name in (*BAD, "missing.jsonl", "folder")]
    options = ["-o", tmp_path / "out.jsonl", "--drops", tmp_path / "drops.jsonl"]
    for path, done in zip(paths, session(*(["curate", "dedup", p, *options] for p in paths)), strict=True):
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {path}")
        assert "\n  fix: " in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_every_curate_command_refuses_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "IN").touch()
    commands = [["validate", "IN"], ["redact", "IN", "-o", "OUT"], ["augment", "IN", "-o", "OUT"]]
    commands += [["dedup", "IN", "-o", "OUT"], ["select", "IN", "-o", "OUT", "-k", "3"]]
    for done in session(*(["curate", *command] for command in commands), cwd=tmp_path):
        assert (done.code, done.out) == (1, "")
        assert "error: IN: the file is empty\n  fix: " in done.err
    assert not (tmp_path / "OUT").exists()


def test_one_bad_line_stops_a_step_because_it_would_be_lost(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write("not JSON\n")
    done = regrind("curate", "redact", seed, "-o", tmp_path / "out.jsonl")
    assert done.code == 1
    assert f"error: {seed}:14: not a row" in done.err
    assert f"regrind curate convert {seed} -o rows.jsonl" in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_place_that_cannot_be_written_to(seed: Path, tmp_path: Path) -> None:
    done = regrind("curate", "redact", seed, "-o", seed / "below" / "out.jsonl")
    assert done.code == 1
    assert "Traceback" not in done.err


def test_rows_go_from_standard_input_to_standard_output(seed: Path, tmp_path: Path) -> None:
    command = [*START, "curate", "dedup", "-", "-o", "-"]
    done = subprocess.run(
        command, input=seed.read_bytes(), capture_output=True, check=False, env=ENVIRONMENT, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 12
    assert b"13 rows in, 12 out" in done.stderr
    checked = subprocess.run(
        [*START, "curate", "validate", "-", "--json"],
        input=done.stdout,
        capture_output=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert json.loads(checked.stdout)["rows"] == 12
    bad = subprocess.run(
        command, input=b"not JSON\n" + done.stdout, capture_output=True, check=False, env=ENVIRONMENT
    )
    assert (bad.returncode, bad.stdout) == (1, b"")
    assert b"<stdin>:1: not a row" in bad.stderr


@pytest.mark.parametrize("form", ["jsonl.gz", "jsonl.zst", "json", "parquet", "hf"])
def test_every_form_goes_in_and_out(seed: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / f"rows.{form}"
    there, back = session(
        ["curate", "dedup", seed, "-o", out], ["curate", "dedup", out, "-o", tmp_path / "back.jsonl"]
    )
    assert (there.code, back.code) == (0, 0), there.err + back.err
    assert "12 rows in, 12 out" in back.out


def test_two_shapes_are_refused_unless_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    write_lines(path, [*capitals(), {"prompt": "a", "response": "b"}])
    refused, named = session(
        ["curate", "validate", path], ["curate", "validate", path, "--shape", "question/answer", "--json"]
    )
    assert refused.code == 1
    assert "line 1 is question/answer, line 14 is prompt/response" in refused.err
    assert [r["line"] for r in json.loads(named.out)["rejected"]] == [14]


def test_a_report_on_personal_data_goes_past_bad_lines(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text('{"prompt": "Write to ann@example.com", "response": "Done."}\nbroken\n')
    (done,) = session(["curate", "redact", path, "--action", "report"])
    assert (done.code, "EMAIL in" in done.out) == (3, True)
    assert "1 lines are no rows and are not searched" in done.err


def test_an_ending_that_names_no_form_is_refused(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "in.jsonl", [{"prompt": "Hi", "response": "Ho"}])
    names = ["out.csv", "out.JSON", "out.parquet.gz"]
    for done in session(*(["curate", "convert", path, "-o", tmp_path / name] for name in names)):
        assert (done.code, "there is no form" in done.err) == (1, True)
    to_nothing, to_us = session(
        ["curate", "convert", path, "-o", "/dev/null"], ["curate", "convert", path, "-o", "-"]
    )
    assert to_nothing.code == 0
    assert "next: regrind curate validate FILE" in to_us.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.jsonl"]
