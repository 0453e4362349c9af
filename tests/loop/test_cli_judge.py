"""`regrind judge` as a user runs it: endpoints over real HTTP, budgets, traces of a store, prompts, costs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from loop.store import query
from tests.judge.loopback import Loopback, Reply, error, grades
from tests.loop.byhand import filled
from tests.loop.commands import ENVIRONMENT, ROOT, START, Done, lines

if TYPE_CHECKING:
    from pathlib import Path

    from loop.workspace import Workspace

GOOD = grades(verdict="right", categories="partly")
ANSWER = grades(answer="right")


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    path = tmp_path / "answers.jsonl"
    write(path, 6)
    return path


def write(path: Path, count: int) -> None:
    turns = [[{"role": "user", "content": f"question {i}"}] for i in range(count)]
    items = [{"id": f"t{i}", "messages": t, "output": f"safe {i}"} for i, t in enumerate(turns)]
    path.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf8")


def judge(server: Loopback, *args: object, cwd: Path) -> Done:
    keys = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url, "PYTHONPATH": f"{ROOT}:{cwd}"}
    command = [*START, "judge", *map(str, args)]
    done = subprocess.run(
        command, env=ENVIRONMENT | keys, cwd=cwd, capture_output=True, text=True, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_an_endpoint_is_asked_and_nothing_is_paid_twice(answers: Path, tmp_path: Path) -> None:
    with Loopback(GOOD) as server:
        options = [
            "--rubric",
            "safety",
            "--judge",
            "openai",
            "--model",
            "m",
            "--url",
            f"{server.url}/v1",
            "--json",
        ]
        first = judge(server, "run", "answers.jsonl", *options, cwd=tmp_path)
        assert first.code == 0, first.err
        report = json.loads(first.out)
        assert (report["items"], report["states"], report["asked"]) == (6, {"scored": 6}, 6)
        assert report["scores"]["score"]["mean"] == pytest.approx(0.8)
        assert report["scores"]["categories"]["interval"] == [0.5, 0.5]
        assert (report["cost"], report["cost_known"], report["tokens"]) == (0, False, 6600)
        again = judge(server, "run", "answers.jsonl", *options, cwd=tmp_path)
        assert json.loads(again.out) == report | {"asked": 0, "tokens": 0, "cost_known": True}
        write(answers, 8)
        assert json.loads(judge(server, "run", "answers.jsonl", *options, cwd=tmp_path).out)["asked"] == 2
        assert len(server.requests) == 8
    verdicts = lines(tmp_path / "answers.verdicts.jsonl")
    assert [v["item_id"] for v in verdicts] == [f"t{i}" for i in range(8)]
    assert verdicts[0]["raw"] == GOOD.text
    assert "sort answers.verdicts.jsonl" in first.err


def test_a_table_for_people(answers: Path, tmp_path: Path) -> None:
    with Loopback(GOOD) as server:
        done = judge(server, "run", answers, "--rubric", "safety", "--judge", "anthropic", cwd=tmp_path)
    assert "scored         6" in done.out
    assert "score            6       0.800  [0.800, 0.800]" in done.out
    assert "6 of 6 asked now, 6600 tokens, $0.0009" in done.out


def test_a_judge_server_and_a_function_of_ones_own_need_no_rubric(answers: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "def grade(point):\n    return {'score': len(point['prediction']) / 10, 'reason': 'length'}\n"
    )
    with Loopback(GOOD) as server:
        done = judge(server, "run", answers, "--judge", "http", "--url", f"{server.url}/judge", cwd=tmp_path)
        assert done.code == 0, done.err
        assert set(server.requests[0]) == {"messages", "prediction", "reference", "model"}
        done = judge(
            server, "run", answers, "--judge", "mine:grade", "--json", "-o", "own.jsonl", cwd=tmp_path
        )
    assert json.loads(done.out)["mean_score"] == pytest.approx(0.6)


def test_batches(answers: Path, tmp_path: Path) -> None:
    with Loopback(Reply()) as server:
        server.batches.polls = 1
        done = judge(
            server, "run", answers, "--rubric", "safety", "--judge", "anthropic-batch", "--json", cwd=tmp_path
        )
        assert json.loads(done.out)["states"] == {"scored": 6}, done.err
        assert server.batches.creates == 1
        assert (
            judge(
                server, "run", answers, "--rubric", "safety", "--judge", "anthropic-batch", cwd=tmp_path
            ).code
            == 0
        )
        assert server.batches.creates == 1


def test_a_budget_stops_before_it_is_passed_and_says_what_is_left(answers: Path, tmp_path: Path) -> None:
    options = ["run", answers, "--rubric", "safety", "--judge", "anthropic", "--json"]
    with Loopback(GOOD) as server:
        done = judge(server, *options, "--budget", "0.0051", cwd=tmp_path)
        report = json.loads(done.out)
        assert done.code == 3
        assert report["cost"] <= 0.0051
        assert 0 < report["undone"] < 6
        assert report["undone"] + len(lines(tmp_path / "answers.verdicts.jsonl")) == 6
        assert "raise the budget" in done.err
        rest = judge(server, *options, "--token-budget", "1000000", cwd=tmp_path)
        assert (rest.code, json.loads(rest.out)["asked"]) == (0, report["undone"])
        assert len(server.requests) == 6


def test_a_dry_run_counts_and_writes_nothing(answers: Path, tmp_path: Path) -> None:
    with Loopback(GOOD, tokens=900) as server:
        options = ["run", answers, "--rubric", "safety", "--judge", "anthropic", "--dry-run"]
        done = judge(server, *options, "--json", cwd=tmp_path)
        assert json.loads(done.out)["input_tokens"] == 5400
        assert "5400 (counted)" in judge(server, *options, cwd=tmp_path).out
        assert server.requests == []
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]


def test_a_wrong_key_and_too_many_abstentions(answers: Path, tmp_path: Path) -> None:
    options = ["run", answers, "--rubric", "safety", "--judge", "anthropic"]
    with Loopback(error(401)) as server:
        done = judge(server, *options, cwd=tmp_path)
    assert (done.code, "set ANTHROPIC_API_KEY to a valid key" in done.err) == (1, True)
    with Loopback(error(413), error(413), GOOD) as server:
        assert judge(server, *options, cwd=tmp_path).code == 3
        assert judge(server, *options, cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["run"], 2, "give a FILE or --traces"),
        (["run", "answers.jsonl"], 2, "name a rubric"),
        (
            ["run", "answers.jsonl", "--rubric", "safety", "--judge", "oracle"],
            1,
            "there is no judge 'oracle'",
        ),
        (["run", "answers.jsonl", "--rubric", "safety", "--judge", "openai"], 1, "judge.url"),
        (
            ["run", "answers.jsonl", "--rubric", "safety", "--judge", "openai", "--url", "http://h/v1"],
            1,
            "needs a model",
        ),
        (["run", "answers.jsonl", "--rubric", "safety", "--judge", "panel"], 1, "[[judge.member]]"),
        (["run", "answers.jsonl", "--rubric", "safety", "--concurrency", "0"], 1, "--concurrency"),
        (["run", "answers.jsonl", "--rubric", "safety", "--budget", "-1"], 2, "--budget"),
        (["run", "answers.jsonl", "--judge", "no_such:function"], 1, "no such function"),
        (["run", "--traces", "true", "--rubric", "safety"], 1, "no workspace"),
        (["show", "answers.jsonl", "--rubric", "safety", "--id", "zz"], 1, "no item has the id 'zz'"),
        (["cost"], 1, "no workspace"),
    ],
)
def test_what_is_wrong_is_said(answers: Path, tmp_path: Path, args: list[str], code: int, says: str) -> None:
    with Loopback(GOOD) as server:
        done = judge(server, *args, cwd=tmp_path)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["answers.jsonl"]


def test_the_prompt_of_an_item(answers: Path, tmp_path: Path) -> None:
    with Loopback(GOOD) as server:
        shown = json.loads(
            judge(server, "show", answers, "--rubric", "safety", "--id", "t3", "--json", cwd=tmp_path).out
        )
        told = judge(server, "show", answers, "--rubric", "safety", cwd=tmp_path).out
        assert server.requests == []
    assert "question 3" in shown["user"]
    assert json.loads(shown["schema"])["required"] == ["feedback", "grades"]
    assert shown["system"] in told


def test_traces_of_the_store_are_judged_stored_and_replayed_from_it_alone(tmp_path: Path) -> None:
    from msgspec import convert

    from judge.grades import read_grades, scored
    from judge.rubric import Rubric

    workspace: Workspace = filled(tmp_path / "loop")[0]
    options = [
        "run",
        "--traces",
        "cycle = 2",
        "-w",
        "loop",
        "--rubric",
        "answer",
        "--judge",
        "anthropic",
        "--json",
    ]
    with Loopback(ANSWER) as server:
        done = judge(server, *options, cwd=tmp_path)
        assert done.code == 0, done.err
        assert json.loads(done.out)["asked"] == 4
        assert json.loads(judge(server, *options, cwd=tmp_path).out)["asked"] == 0
        assert len(server.requests) == 4
        cost = json.loads(judge(server, "cost", "-w", "loop", "--by", "cycle", "--json", cwd=tmp_path).out)
        for by in ("model", "judge", "day"):
            assert judge(server, "cost", "-w", "loop", "--by", by, cwd=tmp_path).code == 0
    assert cost[0]["cycle"] == 2
    sql = "SELECT v.*, j.content FROM verdicts v JOIN judges j ON j.id = v.judge WHERE j.kind = 'anthropic'"
    rows = query(workspace.view, sql).to_dicts()
    assert len(rows) == 4
    for row in rows:
        rubric = convert(json.loads(row["content"]), Rubric)
        again = scored(row["trace"], row["judge"], read_grades(row["raw"], rubric), rubric)
        assert (again.state, again.score, again.feedback) == (row["state"], row["score"], row["feedback"])
        assert (row["stop_reason"], row["input_tokens"], row["output_tokens"]) == ("end_turn", 1000, 100)
        assert row["time"] is not None
    assert not list(workspace.spool.glob("*"))


def test_a_panel_of_a_workspace(tmp_path: Path) -> None:
    workspace: Workspace = filled(tmp_path / "loop")[0]
    path = workspace.root / "regrind.toml"
    panel = '[judge]\nkind = "panel"\nrule = "mean"\nrubric = "rubrics/answer.toml"\n'
    panel += '[[judge.member]]\nkind = "reference"\n[[judge.member]]\nkind = "anthropic"\n'
    text = path.read_text(encoding="utf8")
    start = text.index("[judge]")
    end = text.index("\n[", start)
    path.write_text(text[:start] + panel + text[end:], encoding="utf8")
    with Loopback(ANSWER) as server:
        done = judge(
            server, "run", "--traces", "true", "-w", "loop", "--rubric", "answer", "--json", cwd=tmp_path
        )
    assert done.code == 0, done.err
    kinds = query(
        workspace.view, "SELECT split_part(judge, '/', 1) AS kind, count(*) AS n FROM verdicts GROUP BY 1"
    )
    assert dict(kinds.rows())["panel"] == dict(kinds.rows())["anthropic"] == 4


@pytest.mark.parametrize("reply", [Reply(hold=True), error(429, retry_after="3000")])
def test_ctrl_c_ends_within_its_grace_while_a_request_hangs(
    answers: Path, tmp_path: Path, reply: Any
) -> None:
    with Loopback(GOOD, GOOD, reply) as server:
        keys = {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        code = "from judge import side_by_side; side_by_side.GRACE_S = 0.2; from loop.cli import main; main()"
        command = [
            START[0],
            "-c",
            code,
            "judge",
            "run",
            str(answers),
            "--rubric",
            "safety",
            "--judge",
            "anthropic",
        ]
        with subprocess.Popen(command, env=ENVIRONMENT | keys, stderr=subprocess.PIPE, text=True) as process:
            kept = tmp_path / ".answers.jsonl.judged" / "verdicts.jsonl"
            while len(server.requests) < 6 or not kept.exists() or kept.read_bytes().count(b"\n") < 2:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "interrupted" in told
        assert kept.read_bytes().count(b"\n") == 2
