"""`regrind curate augment` as a user meets it: offline, and with a model on the loopback interface."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.judge.loopback import Loopback, error, message
from tests.loop.byhand import write_lines
from tests.loop.commands import ENVIRONMENT, SESSION, START, lines, session

THINGS = [
    "kettle",
    "lamp",
    "bicycle",
    "violin",
    "umbrella",
    "compass",
    "hammock",
    "telescope",
    "anvil",
    "bucket",
]


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    rows = [{"prompt": f"How can somebody repair the old {t}?", "response": "Slowly."} for t in THINGS]
    return write_lines(tmp_path / "seed.jsonl", rows)


def test_offline_noise_with_counts(seed: Path, tmp_path: Path) -> None:
    out, test = tmp_path / "more.jsonl", tmp_path / "test.jsonl"
    test.write_bytes(seed.read_bytes())
    augment = ["curate", "augment", seed, "-o", out]
    dry, done, typos, held, none, refused = session(
        [*augment, "--share", 0.5, "--dry-run"],
        [*augment, "--share", 0.5],
        [*augment, "--share", 0.5, "--operations", "typo", "--json"],
        [*augment, "--share", 1, "--heldout", test, "--json"],
        [*augment, "--share", 0.01],
        [*augment, "--operations", "contraction", "--share", 1],
    )
    assert [d.code for d in (dry, done, typos, held)] == [0, 0, 0, 0], dry.err + done.err
    assert "children: 5" in dry.out
    assert "children: 5" in done.out
    assert json.loads(typos.out)["children"] == 5
    report = json.loads(held.out)
    assert report["children"] == 0
    assert report["refused"]["held-out"] > 10
    assert "fewer: the share of these rows is not one row" in none.out
    assert "of 10 refused proposals 10 fell to the guard copy" in refused.out


def test_a_dry_run_writes_nothing(seed: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    augment = ["curate", "augment", seed, "-o", tmp_path / "more.jsonl", "--dry-run"]
    noise, asked = session(augment, [*augment, "--paraphrase", "--share", 1, "--json"])
    assert (noise.code, asked.code) == (0, 0)
    report = json.loads(asked.out)
    assert (report["wanted"], report["calls"]) == (10, 2)
    assert 0 < report["cost"] < 0.01
    assert sorted(tmp_path.iterdir()) == before


def test_paraphrases_are_asked_of_the_service_and_kept(seed: Path, tmp_path: Path) -> None:
    said = [
        {"number": n, "text": f"could anybody repair that old {w} somehow, and in which way"}
        for n, w in enumerate(THINGS)
    ]
    out = tmp_path / "more.jsonl"
    command = [
        "curate",
        "augment",
        seed,
        "-o",
        out,
        "--paraphrase",
        "--share",
        0.4,
        "--json",
        "--max-calls",
        3,
    ]
    with Loopback(message(json.dumps({"paraphrases": said}))) as server:
        environment = ENVIRONMENT | {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": server.url}
        runs = [
            subprocess.run(
                [*START, *map(str, command)], env=environment, capture_output=True, text=True, check=True
            )
            for _ in range(2)
        ]
        sent = list(server.requests)
    first, second = (json.loads(run.stdout) for run in runs)
    assert len(sent) == first["calls"]
    assert (first["children"], second["children"], second["calls"], second["kept"]) == (
        4,
        4,
        0,
        first["calls"],
    )
    assert first["cost"] == pytest.approx(first["calls"] * (1000 * 0.1 + 100 * 0.5) / 1e6)
    children = [row for row in lines(out) if row.get("parents")]
    assert all(re.match("paraphrase:", row["tags"][1]) for row in children)


RUBRIC = """
name = "orders"
version = 1
task = "Keep what decides the answer."

[[criteria]]
name = "thing"
description = "Is the thing still named?"
weight = 1.0
check = "regex"
pattern = "(?s).*(kettle|lamp|violin).*"
levels = [{ grade = "no", anchor = "gone", score = 0.0 }, { grade = "yes", anchor = "there", score = 1.0 }]
"""
PLUGIN = """
def judge(datapoint):
    asked, answer = datapoint["messages"][-1]["content"], datapoint["prediction"]
    assert answer == "Slowly." and datapoint["reference"] is None
    return {"score": float("lamp" not in asked) if "anvil" not in asked else None, "reason": "looked"}
"""


def test_a_judge_or_a_rule_checks_that_the_answer_still_holds(seed: Path, tmp_path: Path) -> None:
    rubric, out = tmp_path / "rubric.toml", tmp_path / "more.jsonl"
    rubric.write_text(RUBRIC, encoding="utf8")
    (tmp_path / "said.py").write_text(PLUGIN, encoding="utf8")
    quiet = "spacing,punctuation"
    augment = ["curate", "augment", seed, "-o", out, "--share", 1, "--operations", quiet, "--json"]
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{SESSION}"
    commands = [
        [*augment, "--judge", "reference", "--rubric", rubric, "--dry-run"],
        [*augment, "--judge", "reference", "--rubric", rubric],
        [*augment, "--judge", "said:judge"],
    ]
    given = json.dumps([[str(word) for word in command] for command in commands])
    ended = subprocess.run(
        [sys.executable, "-c", code], input=given, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    dry, rule, plugin = (json.loads(out) for _, out, _ in json.loads(ended.stdout))
    assert (dry["judged"], dry["cost"], dry["stopped"]) == (dry["children"], 0.0, "")
    assert (rule["children"], rule["judged"]) == (3, 3 + rule["refused"]["label"])
    assert "guard label" in rule["fewer"]
    assert plugin["children"] == 8
    assert plugin["refused"]["label"] > 0 < plugin["refused"]["label not judged"]
    made = [row["messages"][0]["content"] for row in lines(out) if row.get("parents")]
    assert not any("lamp" in text for text in made)


def test_a_service_that_fails_says_so_as_it_goes(seed: Path, tmp_path: Path) -> None:
    command = ["curate", "augment", seed, "-o", tmp_path / "more.jsonl", "--paraphrase", "--share", 1]
    with Loopback(error(400)) as server:
        environment = ENVIRONMENT | {"ANTHROPIC_API_KEY": "key", "ANTHROPIC_BASE_URL": server.url}
        done = subprocess.run(
            [*START, *map(str, command)], env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert "messages to claude-haiku-5-5" in done.stderr
    assert done.stderr.count("no reply: ") >= 2
    assert not (tmp_path / "more.jsonl").exists()


def test_what_cannot_be_is_refused(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    augment = ["curate", "augment", seed, "-o", tmp_path / "more.jsonl"]
    *usage, price, judge, thesaurus = session(
        [*augment, "--operations", "synonym"],
        [*augment, "--operations", ""],
        [*augment, "--paraphrase", "--styles", ""],
        ["curate", "augment", seed, "-o", "-", "--paraphrase"],
        [*augment, "--styles", "rude"],
        [*augment, "--max-cost", 1],
        [*augment, "--max-calls", 1],
        [*augment, "--styles", "close"],
        [*augment, "--paraphrase", "--operations", "typo"],
        [*augment, "--thesaurus", seed, "--operations", "typo"],
        [*augment, "--rubric", "general"],
        [*augment, "--judge", "reference"],
        [*augment, "--paraphrase", "--model", "unheard-of", "--max-cost", 1],
        [*augment, "--judge", "nobody", "--rubric", "general"],
        [*augment, "--thesaurus", Path(__file__)],
    )
    assert {d.code for d in usage} == {2}
    assert {d.code for d in (price, judge, thesaurus)} == {1}
    assert "--max-cost" in price.err
    assert "mythes-en-us" in thesaurus.err
    assert "ANTHROPIC_API_KEY" not in os.environ
    assert not (tmp_path / "more.jsonl").exists()
