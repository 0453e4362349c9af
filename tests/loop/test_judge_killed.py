"""A judge's run that is killed again and again: one verdict an item, and what was kept is not paid again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.judge.loopback import Loopback, Said, grades
from tests.loop.commands import ENVIRONMENT, START, lines

if TYPE_CHECKING:
    from pathlib import Path

ITEMS, KILLS, CONCURRENCY = 500, 50, 8
GOOD = Said(grades(verdict="right", categories="right").text, how={"late": 0.01})


def written(path: Path) -> int:
    """Verdicts that are kept: whole lines of the cache."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.crash
def test_killed_at_fifty_points_every_item_has_one_verdict(tmp_path: Path) -> None:
    source, output = tmp_path / "answers.jsonl", tmp_path / "verdicts.jsonl"
    kept = tmp_path / ".answers.jsonl.judged" / "verdicts.jsonl"
    items = [
        {"id": f"t{i}", "messages": [{"role": "user", "content": f"q-{i}-q"}], "output": "safe"}
        for i in range(ITEMS)
    ]
    source.write_text("".join(json.dumps(item) + "\n" for item in items), encoding="utf8")
    options = ["--rubric", "safety", "--judge", "anthropic", "--concurrency", str(CONCURRENCY)]
    command = [*START, "judge", "run", str(source), *options, "-o", str(output)]
    lost = []
    with Loopback(GOOD) as server:
        environment = ENVIRONMENT | {"ANTHROPIC_API_KEY": "k", "ANTHROPIC_BASE_URL": server.url}
        asked = had = 0
        for kill in range(KILLS):
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
                while len(server.requests) < asked + 1 + kill % 17:  # each life a little longer or shorter
                    assert process.poll() is None
                    time.sleep(0.002)
                os.kill(process.pid, signal.SIGKILL)
            time.sleep(0.1)  # what was sent just before has arrived by then
            before, asked, had = asked - had, len(server.requests), written(kept)
            lost.append(asked - had - before)
        assert not output.exists()
        done = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        again = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert again.returncode == 0
        received = Counter(str(request["messages"]).split("-")[1] for request in server.requests)
    verdicts = lines(output)
    assert sorted(v["item_id"] for v in verdicts) == sorted(item["id"] for item in items)
    assert {v["state"] for v in verdicts} == {"scored"}
    assert len(received) == ITEMS
    twice = sum(received.values()) - ITEMS
    told = (
        f"{KILLS} kills: {twice} of {sum(received.values())} requests sent again, at most {max(lost)} a kill"
    )
    sys.stdout.write(f"{told}\n")
    assert twice == sum(lost)
    assert max(lost) <= CONCURRENCY
