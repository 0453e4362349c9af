"""The command line as a user meets it: real processes, exit codes, and messages that say what to do."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.loop.byhand import build_workspace, capitals, filled, write_lines
from tests.loop.commands import ENVIRONMENT, ROOT, START, lines, regrind, session

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace

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
heavy = {"polars", "duckdb", "torch", "numpy", "sklearn", "scipy", "httpx2", "msgspec", "transformers"}
print(json.dumps({"texts": texts, "loaded": sorted(heavy & set(sys.modules))}))
"""


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
    bare = regrind()
    assert bare.code == 2
    assert "Usage:" in bare.out + bare.err


def test_wrong_usage_ends_with_2(tmp_path: Path) -> None:
    wrong = [["polish"], ["curate", "select", "in.jsonl", "-o", "out.jsonl"], ["curate", "dedup", "a"]]
    assert [(done.code, done.out) for done in session(*wrong, cwd=tmp_path)] == [(2, "")] * 3
    assert list(tmp_path.iterdir()) == []


def test_init_check_and_an_unknown_setting(tmp_path: Path) -> None:
    folder = tmp_path / "my-loop"
    done, again, checked = session(["init", folder], ["init", folder], ["check", "-w", folder])
    assert (done.code, again.code, checked.code) == (0, 1, 3)
    assert str(folder / "regrind.toml") in done.out
    assert f"regrind check -w {folder}" in done.err
    assert "no such file" in checked.out
    with (folder / "regrind.toml").open("a", encoding="utf8") as stream:
        stream.write("alhpa = 0.1\n")
    before = sorted(folder.rglob("*"))
    for done in session(*([*c, "-w", folder] for c in (["check"], ["cycle", "run"], ["curate", "run"]))):
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"error: {folder / 'regrind.toml'}: gate: ")
        assert "`alhpa`" in done.err
        assert "fix: " in done.err
    assert sorted(folder.rglob("*")) == before


def test_a_good_workspace_passes_the_check(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    done, as_json = session(["check", "-w", tmp_path], ["check", "-w", tmp_path, "--json"])
    assert (done.code, as_json.code) == (0, 0)
    report = json.loads(as_json.out)
    assert (report["errors"], report["files"][0]["rows"]) == (0, 13)


def test_the_recipe_becomes_a_snapshot_that_can_be_read_and_verified(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    first, again, listed = session(
        ["curate", "run", "-w", tmp_path, "--json"],
        ["curate", "run", "-w", tmp_path],
        ["snapshot", "list", "-w", tmp_path, "--json"],
    )
    manifest = json.loads(first.out)
    assert 0 < sum(manifest["splits"].values()) <= 12
    assert again.out.startswith(f"snapshot {manifest['id']}")
    assert "1 exact duplicate" in again.out
    assert [s["id"] for s in json.loads(listed.out)] == [manifest["id"]]
    verify = ["snapshot", "verify", "-w", tmp_path, manifest["id"][:5]]
    shown, verified = session(["snapshot", "show", "-w", tmp_path, manifest["id"][:5]], verify)
    assert f"# Snapshot {manifest['id']}" in shown.out
    assert verified.code == 0
    (tmp_path / ".regrind" / "snapshots" / manifest["id"] / "train.parquet").write_bytes(b"other")
    changed = regrind(*verify, "--json")
    assert changed.code == 3
    assert json.loads(changed.out)["faults"]


def test_sql_explain_diff_and_lists_on_a_store(workspace: Workspace) -> None:
    def here(*args: object) -> list[object]:
        return [*args[:2], "-w", workspace.root, *args[2:]]

    done, costs, story, as_json, models, status, snapshots = session(
        here("sql", "select version, mean_score from score_by_model order by version"),
        here("sql", "select sum(cost) s, sum(repeat) r from verdicts", "--json"),
        here("explain", "trace-p2"),
        here("explain", "trace-p2", "--json"),
        here("model", "list", "--json"),
        here("cycle", "history", "--json"),
        here("snapshot", "list", "--json"),
    )
    assert done.out.splitlines()[0].split() == ["version", "mean_score"]
    assert json.loads(costs.out) == [{"s": 0.75, "r": 0}]
    assert "corrected by reference, accepted: 'Picasso'" in story.out
    assert json.loads(as_json.out)["answer"] == "Picasso"
    assert [m["status"] for m in json.loads(models.out)] == ["archived", "archived", "production"]
    assert [c["state"] for c in json.loads(status.out)] == ["finished", "finished"]
    change = json.loads(
        regrind(*here("snapshot", "diff", *(s["id"] for s in json.loads(snapshots.out)), "--json")).out
    )
    assert (len(change["added"]), change["removed"], change["changed"], change["moved"]) == (2, [], [], [])


def test_a_snapshot_is_compared_traced_and_handed_over(workspace: Workspace, tmp_path: Path) -> None:
    where = ["-w", workspace.root]
    first, second = (s["id"] for s in json.loads(regrind("snapshot", "list", *where, "--json").out))
    export = ["snapshot", "export", *where, second, "-o", tmp_path / "out"]
    marked, told, log, done, again, wrong = session(
        ["snapshot", "diff", *where, first, second, "--md"],
        ["snapshot", "diff", *where, first, second],
        ["snapshot", "log", *where, second, "--json"],
        [*export, "--to", "openai", "--json"],
        [*export, "--to", "openai"],
        [*export, "--to", "word"],
    )
    assert "## added: 2 rows\n\n| by | value | rows |\n| --- | --- | --- |" in marked.out
    assert "added: 2 rows\nby" in told.out
    assert [entry["id"] for entry in json.loads(log.out)] == [second, first]
    rows = json.loads(done.out)["rows"]
    assert len((tmp_path / "out" / "train.jsonl").read_text().splitlines()) == rows["train"]
    assert (again.code, wrong.code) == (1, 2)
    assert "this exists already" in again.err


def test_a_snapshot_whose_parent_was_deleted_is_told_of(tmp_path: Path) -> None:
    space, first, second = filled(tmp_path)
    shutil.rmtree(space.snapshots / first.id)
    where = ["-w", space.root]
    told, log, verified, change, listed = session(
        ["snapshot", "log", *where, second.id],
        ["snapshot", "log", *where, second.id, "--json"],
        ["snapshot", "verify", *where, second.id],
        ["snapshot", "diff", *where, second.id, second.id],
        ["snapshot", "list", *where, "--json"],
    )
    assert f"snapshot {first.id} is not there any more" in told.out
    assert [entry["id"] for entry in json.loads(log.out)] == [second.id]
    assert verified.code == 0
    assert f"its parent {first.id} is not there any more" in verified.out
    assert change.code == 0
    assert {s["id"]: s["there"] for s in json.loads(listed.out)} == {first.id: False, second.id: True}


def test_a_wrong_statement_and_a_wrong_id(workspace: Workspace) -> None:
    wrong = (["sql", "delete from traces"], ["sql", "selec"], ["explain", "zz"], ["snapshot", "show", "zz"])
    for done in session(*([*args, "-w", workspace.root] for args in wrong)):
        assert (done.code, done.out) == (1, "")
        assert "fix: " in done.err


def test_asking_a_workspace_that_has_no_store_yet(tmp_path: Path) -> None:
    build_workspace(tmp_path)
    asking = (["sql", "select 1"], ["explain", "abc"], ["cycle", "status"], ["train", "run"])
    for done in session(*([*args, "-w", tmp_path] for args in asking)):
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
    done = regrind("judge", "run", source, "--rubric", RUBRIC, "-o", out, "--max-abstained", 0.5, "--json")
    assert done.code == 0
    report = json.loads(done.out)
    assert (report["items"], report["states"], report["mean_score"]) == (3, {"scored": 2, "failed": 1}, 0.5)
    assert [(v["item_id"], v["state"], v["score"]) for v in lines(out)] == [
        ("a", "scored", 1.0),
        ("b", "scored", 0.0),
        ("c", "failed", None),
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["items.jsonl", "verdicts.jsonl"]


def test_judging_with_something_wrong_writes_nothing(tmp_path: Path) -> None:
    source, bad = items(tmp_path / "items.jsonl"), tmp_path / "bad.jsonl"
    bad.write_text("not JSON\n", encoding="utf8")
    before = sorted(tmp_path.iterdir())
    run, out = ["judge", "run"], ["-o", tmp_path / "v.jsonl"]
    for done in session(
        [*run, source, "--rubric", tmp_path / "none.toml", *out],
        [*run, source, "--rubric", RUBRIC, *out, "--judge", "oracle"],
        [*run, bad, "--rubric", RUBRIC, *out],
    ):
        assert (done.code, done.out) == (1, "")
        assert "fix: " in done.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_judge_that_gives_no_score_at_all_ends_with_3(tmp_path: Path) -> None:
    source, out = tmp_path / "items.jsonl", tmp_path / "my verdicts.jsonl"
    write_lines(source, [{"id": "c", "messages": [{"role": "user", "content": "Who?"}], "output": "Inn"}])
    done = regrind("judge", "run", source, "--rubric", RUBRIC, "-o", out)
    assert (done.code, [v["state"] for v in lines(out)]) == (3, ["failed"])
    assert f"'{out}'" in done.err


def test_a_file_is_not_read_and_written_at_once(tmp_path: Path) -> None:
    source, seed = items(tmp_path / "items.jsonl"), write_lines(tmp_path / "seed.jsonl", capitals())
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for done in session(
        ["judge", "run", source, "--rubric", RUBRIC, "-o", source],
        ["curate", "dedup", seed, "-o", tmp_path / "." / "seed.jsonl"],
        ["curate", "dedup", seed, "-o", tmp_path / "new", "--drops", tmp_path / "new"],
        ["curate", "validate", seed, "--rejects", seed],
    ):
        assert done.code == 1
        assert "would be read and written, or written twice" in done.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_dry_run_asks_nobody_and_writes_nothing(tmp_path: Path) -> None:
    source = items(tmp_path / "items.jsonl")
    out = tmp_path / "v.jsonl"
    done = regrind("judge", "run", source, "--rubric", RUBRIC, "-o", out, "--dry-run", "--json")
    assert (done.code, json.loads(done.out)["items"], json.loads(done.out)["cost"]) == (0, 3, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["items.jsonl"]


def test_an_interrupted_command_says_how_to_go_on(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    command = [*START, "curate", "validate", str(pipe)]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        with pipe.open("wb"):  # waits until the command reads the pipe, where it finds nothing
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run it again" in err
