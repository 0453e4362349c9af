"""`regrind curate augment` as a user meets it: offline, and with a model on the loopback interface."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.judge.loopback import Loopback, message
from tests.loop.byhand import write_lines
from tests.loop.commands import ENVIRONMENT, START, lines, session

if TYPE_CHECKING:
    from pathlib import Path

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
    dry, done, typos, held = session(
        [*augment, "--share", 0.5, "--dry-run"],
        [*augment, "--share", 0.5],
        [*augment, "--share", 0.5, "--operations", "typo", "--json"],
        [*augment, "--share", 1, "--heldout", test, "--json"],
    )
    assert [d.code for d in (dry, done, typos, held)] == [0, 0, 0, 0], dry.err + done.err
    assert "children: 5" in dry.out
    assert "children: 5" in done.out
    assert json.loads(typos.out)["children"] == 5
    report = json.loads(held.out)
    assert report["children"] == 0
    assert report["refused"]["held-out"] > 10


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


def test_what_cannot_be_is_refused(seed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    augment = ["curate", "augment", seed, "-o", tmp_path / "more.jsonl"]
    usage = session(
        [*augment, "--operations", "synonym"],
        [*augment, "--styles", "rude"],
        [*augment, "--paraphrase", "--model", "unheard-of", "--max-cost", 1],
    )
    assert {d.code for d in usage} == {2}
    assert "ANTHROPIC_API_KEY" not in os.environ
    assert not (tmp_path / "more.jsonl").exists()
