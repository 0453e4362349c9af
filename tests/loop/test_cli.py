"""The command line as a user meets it: real processes, exit codes, and messages that say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loop.workspace import Workspace
from tests.loop.byhand import build_workspace, capitals, filled, write_lines

ROOT = Path(__file__).parents[2]
START = [sys.executable, "-c", "from loop.cli import main; main()"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}

HELP = """
import contextlib, io, json, sys
import typer.main
from loop.cli import app, main

def paths(command, path):
    for name, child in command.commands.items():
        yield from paths(child, [*path, name]) if hasattr(child, "commands") else [[*path, name]]

texts = {}
for path in paths(typer.main.get_command(app), []):
    sys.argv = ["regrind", *path, "--help"]
    with contextlib.redirect_stdout(io.StringIO()) as text:
        try:
            main()
        except SystemExit as end:
            assert not end.code
    texts[" ".join(path)] = text.getvalue()
heavy = {"polars", "duckdb", "torch", "numpy", "sklearn", "scipy", "anthropic", "msgspec", "transformers", "rich"}
print(json.dumps({"texts": texts, "loaded": sorted(heavy & set(sys.modules))}))
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


def regrind(*args: object, cwd: Path | None = None) -> Done:
    done = subprocess.run(
        [*START, *map(str, args)], env=ENVIRONMENT, cwd=cwd, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf8").splitlines()]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "seed.jsonl", capitals())


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return filled(tmp_path_factory.mktemp("cli"))[0]


def test_every_command_has_help_with_an_example_and_loads_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELP], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    report = json.loads(done.stdout)
    assert report["loaded"] == []
    assert {"demo", "init", "check", "doctor", "sql", "explain", "cycle run"} <= set(report["texts"])
    assert [name for name, text in report["texts"].items() if f"Example: regrind {name}" not in text] == []


def test_the_top_level_help_names_every_group() -> None:
    done = regrind("--help")
    assert done.code == 0
    for group in ("curate", "snapshot", "judge", "train", "model", "cycle", "demo"):
        assert group in done.out
    assert regrind().out == done.out


@pytest.mark.parametrize(
    "args", [["polish"], ["curate", "select", "in.jsonl", "-o", "out.jsonl"], ["curate", "dedup", "a"]]
)
def test_wrong_usage_ends_with_2(tmp_path: Path, args: list[str]) -> None:
    done = regrind(*args, cwd=tmp_path)
    assert done.code == 2
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


def test_validate_a_good_file(seed: Path) -> None:
    done = regrind("curate", "validate", seed)
    assert done.code == 0
    assert "13 rows, 0 lines rejected" in done.out
    assert "next: regrind curate dedup" in done.err


def test_validate_names_every_bad_line_and_ends_with_3(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write('{"question": "Who?"}\n{"question": "Who?", "answer": ""}\n')
    rejects = tmp_path / "rejects.jsonl"
    done = regrind("curate", "validate", seed, "--rejects", rejects)
    assert done.code == 3
    assert f"{seed}:14: error: " in done.out
    assert f"{seed}:15: error: R102" in done.out
    assert [r["line"] for r in lines(rejects)] == [14]
    report = json.loads(regrind("curate", "validate", seed, "--json").out)
    assert (report["is_valid"], report["rows"], len(report["rejected"])) == (False, 14, 1)


def test_prompts_are_not_asked_for_answers(tmp_path: Path) -> None:
    chats = [{"messages": [{"role": "user", "content": f"{n}?"}]} for n in range(12)]
    path = write_lines(tmp_path / "pool.jsonl", chats)
    assert regrind("curate", "validate", path).code == 3
    assert regrind("curate", "validate", path, "--prompts").code == 0


def test_dedup_says_what_went_and_for_which_row(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write('{"question": "France: capital?", "answer": "Lyon"}\n')
    out, drops = tmp_path / "clean.jsonl", tmp_path / "drops.jsonl"
    done = regrind("curate", "dedup", seed, "-o", out, "--drops", drops)
    assert done.code == 0
    assert "14 rows in, 13 out: 1 exact duplicate" in done.out
    assert "conflict: " in done.out
    assert len(lines(out)) == 13
    (drop,) = lines(drops)
    assert (drop["line"], drop["partner_line"], drop["similarity"]) == (13, 1, 1.0)
    report = json.loads(regrind("curate", "dedup", seed, "-o", out, "--json", "--conflicts", "drop_all").out)
    assert (report["rows_out"], len(report["conflicts"])) == (11, 1)
    assert regrind("curate", "dedup", seed, "-o", out, "--conflicts", "guess").code == 2


def test_redact_select_and_augment(tmp_path: Path) -> None:
    rows = [{"prompt": f"{r['question']} Ask ada@example.org", "response": r["answer"]} for r in capitals()[:-1]]
    source, out = write_lines(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl"
    done = regrind("curate", "redact", source, "-o", out)
    assert done.code == 0
    assert "example.org" not in out.read_text(encoding="utf8")
    assert out.read_text(encoding="utf8").count("[EMAIL]") == 12
    few = tmp_path / "few.jsonl"
    report = json.loads(regrind("curate", "select", out, "-o", few, "-k", "5", "--floor", "0", "--json").out)
    assert (report["rows_in"], report["rows_out"], len(lines(few))) == (12, 5, 5)
    assert report["notes"]["coverage"] >= report["notes"]["random_coverage"]
    more = tmp_path / "more.jsonl"
    assert regrind("curate", "augment", out, "-o", more, "--share", "0.5").code == 0
    assert len(lines(more)) > 12
    assert {tuple(sorted(r)) for r in lines(more)} <= {
        ("messages", "tags"),
        ("messages", "parents", "tags"),
    }


BAD = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n\n",
    "binary.jsonl": bytes(range(256)) * 8,
    "shape.jsonl": b'{"left": 1, "right": 2}\n',
    "list.jsonl": b"[1, 2]\n",
}


@pytest.mark.parametrize("name", [*BAD, "missing.jsonl", "folder"])
def test_bad_input_is_a_message_and_writes_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    elif name in BAD:
        path.write_bytes(BAD[name])
    before = sorted(tmp_path.iterdir())
    done = regrind("curate", "dedup", path, "-o", tmp_path / "out.jsonl", "--drops", tmp_path / "drops.jsonl")
    assert done.code == 1
    assert done.out == ""
    assert done.err.startswith(f"error: {path}")
    assert "  fix: " in done.err
    assert "Traceback" not in done.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "args", [["validate", "IN"], ["redact", "IN", "-o", "OUT"], ["select", "IN", "-o", "OUT", "-k", "3"]]
)
def test_every_curate_command_refuses_an_empty_file(tmp_path: Path, args: list[str]) -> None:
    (tmp_path / "IN").touch()
    done = regrind("curate", *args, cwd=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "error: IN: the file is empty\n  fix: " in done.err
    assert not (tmp_path / "OUT").exists()


def test_one_bad_line_stops_a_step_because_it_would_be_lost(seed: Path, tmp_path: Path) -> None:
    with seed.open("a", encoding="utf8") as stream:
        stream.write("not JSON\n")
    done = regrind("curate", "redact", seed, "-o", tmp_path / "out.jsonl")
    assert done.code == 1
    assert f"error: {seed}:14: not a row" in done.err
    assert f"regrind curate validate {seed}" in done.err
    assert not (tmp_path / "out.jsonl").exists()


def test_a_place_that_cannot_be_written_to(seed: Path, tmp_path: Path) -> None:
    done = regrind("curate", "redact", seed, "-o", seed / "below" / "out.jsonl")
    assert done.code == 1
    assert "Traceback" not in done.err


def test_init_check_and_an_unknown_setting(tmp_path: Path) -> None:
    folder = tmp_path / "my-loop"
    done = regrind("init", folder)
    assert done.code == 0
    assert str(folder / "regrind.toml") in done.out
    assert f"regrind check -w {folder}" in done.err
    assert regrind("init", folder).code == 1
    checked = regrind("check", "-w", folder)
    assert checked.code == 3
    assert "no such file" in checked.out
    with (folder / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write("alhpa = 0.1\n")
    before = sorted(folder.rglob("*"))
    for command in (["check"], ["cycle", "run"], ["curate", "run"]):
        done = regrind(*command, "-w", folder)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {folder / 'regrind.toml'}: gate: ")
        assert "`alhpa`" in done.err
        assert "fix: " in done.err
    assert sorted(folder.rglob("*")) == before


def test_a_good_workspace_passes_the_check(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    done = regrind("check", "-w", tmp_path)
    assert done.code == 0
    report = json.loads(regrind("check", "-w", tmp_path, "--json").out)
    assert (report["errors"], report["files"][0]["rows"]) == (0, 13)


def test_the_recipe_becomes_a_snapshot_that_can_be_read_and_verified(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    manifest = json.loads(regrind("curate", "run", "-w", tmp_path, "--json").out)
    assert sum(manifest["splits"].values()) == 11  # a copy dropped, and one row below the density floor
    again = regrind("curate", "run", "-w", tmp_path)
    assert again.out.startswith(f"snapshot {manifest['id']}")
    assert "1 exact duplicate" in again.out
    listed = json.loads(regrind("snapshot", "list", "-w", tmp_path, "--json").out)
    assert [s["id"] for s in listed] == [manifest["id"]]
    beginning = manifest["id"][:5]
    assert f"# Snapshot {manifest['id']}" in regrind("snapshot", "show", "-w", tmp_path, beginning).out
    assert regrind("snapshot", "verify", "-w", tmp_path, beginning).code == 0
    (tmp_path / ".regrind" / "snapshots" / manifest["id"] / "train.parquet").write_bytes(b"other")
    done = regrind("snapshot", "verify", "-w", tmp_path, beginning, "--json")
    assert done.code == 3
    assert json.loads(done.out)["faults"]


def test_sql_explain_diff_and_lists_on_a_store(workspace: Workspace) -> None:
    root = workspace.root
    done = regrind("sql", "-w", root, "select version, mean_score from score_by_model order by version")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["version", "mean_score"]
    costs = json.loads(regrind("sql", "-w", root, "--json", "select sum(cost) s, sum(repeat) r from verdicts").out)
    assert costs == [{"s": 0.75, "r": 0}]
    story = regrind("explain", "-w", root, "trace-p2")
    assert "corrected by reference, accepted: 'Picasso'" in story.out
    assert json.loads(regrind("explain", "-w", root, "trace-p2", "--json").out)["answer"] == "Picasso"
    a, b = (s["id"] for s in json.loads(regrind("snapshot", "list", "-w", root, "--json").out))
    change = json.loads(regrind("snapshot", "diff", "-w", root, a, b, "--json").out)
    assert (len(change["added"]), change["removed"], change["moved"]) == (2, [], [])
    models = json.loads(regrind("model", "list", "-w", root, "--json").out)
    assert [m["status"] for m in models] == ["archived", "archived", "production"]
    status = json.loads(regrind("cycle", "status", "-w", root, "--json").out)
    assert [c["state"] for c in status["cycles"]] == ["finished", "finished"]


def test_a_wrong_statement_and_a_wrong_id(workspace: Workspace) -> None:
    for args in (["sql", "delete from traces"], ["sql", "selec"], ["explain", "zz"], ["snapshot", "show", "zz"]):
        done = regrind(args[0], "-w", workspace.root, *args[1:]) if len(args) == 2 else regrind(
            *args, "-w", workspace.root
        )  # fmt: skip
        assert (done.code, done.out) == (1, "")
        assert "fix: " in done.err


def test_asking_a_workspace_that_has_no_store_yet(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    for args in (["sql", "select 1"], ["explain", "abc"], ["cycle", "status"], ["train", "run"]):
        done = regrind(*args, "-w", tmp_path)
        assert (done.code, done.out) == (1, "")
        assert "there is no store yet" in done.err
        assert "regrind cycle run" in done.err
    assert not (tmp_path / ".regrind").exists()


def test_a_folder_that_is_no_workspace(tmp_path: Path) -> None:
    done = regrind("sql", "select 1", cwd=tmp_path)
    assert done.code == 1
    assert "regrind init" in done.err
    assert list(tmp_path.iterdir()) == []


RUBRIC = ROOT / "resources" / "rubrics" / "answer.toml"


def items(path: Path) -> Path:
    turns = [{"role": "user", "content": "Which river?"}]
    return write_lines(
        path,
        [
            {"id": "a", "messages": turns, "output": "danube", "reference": "Danube"},
            {"id": "b", "messages": turns, "output": "Inn", "reference": "Danube"},
            {"id": "c", "messages": turns, "output": "Inn"},
        ],
    )


def test_judging_a_file_by_its_references(tmp_path: Path) -> None:
    source, out = items(tmp_path / "items.jsonl"), tmp_path / "verdicts.jsonl"
    done = regrind("judge", "run", source, "--rubric", RUBRIC, "-o", out, "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert (report["items"], report["states"], report["mean_score"]) == (3, {"scored": 2, "failed": 1}, 0.5)
    assert [(v["item_id"], v["state"], v["score"]) for v in lines(out)] == [
        ("a", "scored", 1.0),
        ("b", "scored", 0.0),
        ("c", "failed", None),
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["items.jsonl", "verdicts.jsonl"]


@pytest.mark.parametrize("wrong", ["rubric", "judge", "items"])
def test_judging_with_something_wrong_writes_nothing(tmp_path: Path, wrong: str) -> None:
    source = items(tmp_path / "items.jsonl")
    rubric, judge = RUBRIC, "reference"
    if wrong == "rubric":
        rubric = tmp_path / "none.toml"
    elif wrong == "judge":
        judge = "oracle"
    else:
        source.write_text("not JSON\n", encoding="utf8")
    done = regrind("judge", "run", source, "--rubric", rubric, "-o", tmp_path / "v.jsonl", "--judge", judge)
    assert (done.code, done.out) == (1, "")
    assert "fix: " in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["items.jsonl"]


def test_a_dry_run_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    source = items(tmp_path / "items.jsonl")
    done = regrind("judge", "run", source, "--rubric", RUBRIC, "-o", tmp_path / "v.jsonl", "--dry-run")
    assert json.loads(done.out) == {"items": 3, "input_tokens": 0, "cost": 0.0}
    assert [p.name for p in tmp_path.iterdir()] == ["items.jsonl"]


def test_an_interrupted_command_says_how_to_go_on(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    command = [*START, "curate", "validate", str(pipe)]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        # Opening the pipe waits until the command reads it; then it hangs there, as nothing is written.
        with pipe.open("wb"):
            process.send_signal(signal.SIGINT)
            _, err = process.communicate()
    assert process.returncode == 130
    assert "run it again" in err
