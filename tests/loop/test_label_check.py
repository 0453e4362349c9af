"""A judge looks at each new row with the answer that it would inherit, within what may be spent."""

from __future__ import annotations

import json

import pytest

from curation.augmentation.spending import Spent
from curation.errors import UserError
from curation.rows import make_row
from loop.label_check import label_check
from loop.progress import Progress
from tests.judge.loopback import Loopback, message

PAIRS = [
    tuple(
        make_row([{"role": "user", "content": f"{text} {i}"}, {"role": "assistant", "content": "safe"}])
        for text in ("How do I end a process", "how do i end a proces")
    )
    for i in range(3)
]
CLAUDE = {"kind": "anthropic", "rubric": "safety"}


def grades(verdict: str) -> str:
    return json.dumps({"feedback": "looked", "grades": {"verdict": verdict, "categories": verdict}})


RIGHT = grades("right")


def asked(monkeypatch, tmp_path, options, max_cost=None, said=RIGHT):
    """What is said of the pairs, what it took, and what the judge was sent."""
    spent = Spent()
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    with Loopback(message(said)) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        out, quiet = tmp_path / "more.jsonl", Progress(quiet=True)
        with label_check(options, out, max_cost, spent, quiet, dry_run=False) as check:
            why = check(PAIRS)
    return why, spent, server.requests


@pytest.mark.parametrize(
    ("verdict", "why"), [("right", None), ("wrong", "label"), ("dunno", "label not judged")]
)
def test_a_model_is_shown_the_child_with_its_answer_and_its_verdict_counts(
    monkeypatch, tmp_path, verdict, why
):
    found, spent, requests = asked(monkeypatch, tmp_path, CLAUDE, said=grades(verdict))
    assert found == [why] * 3
    assert (spent.judged, len(requests)) == (3, 3)
    assert spent.cost == pytest.approx(3 * (1000 * 0.1 + 100 * 0.5) / 1e6)
    sent = json.dumps([request["messages"] for request in requests])
    assert "how do i end a proces 1" in sent
    assert "How do I end" not in sent


def test_what_was_judged_is_not_asked_again(monkeypatch, tmp_path):
    asked(monkeypatch, tmp_path, CLAUDE)
    found, spent, requests = asked(monkeypatch, tmp_path, CLAUDE, said="nothing")
    assert (found, spent.judged, spent.cost, requests) == ([None] * 3, 0, 0.0, [])


def test_a_limit_in_dollars_ends_it_and_is_told(monkeypatch, tmp_path):
    found, spent, requests = asked(monkeypatch, tmp_path, CLAUDE, max_cost=1e-6)
    assert (found, requests, spent.cost) == (["label not judged"] * 3, [], 0.0)
    assert spent.stopped == "budget of cost spent"
    with pytest.raises(UserError, match="price of this judge"):
        asked(monkeypatch, tmp_path, CLAUDE | {"model": "a-model-of-next-year"}, max_cost=1)
