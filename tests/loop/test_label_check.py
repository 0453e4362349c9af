"""A judge looks at each new row with the answer that it would inherit, within what may be spent."""

from __future__ import annotations

import json

import pytest

from curation.augmentation.spending import Spent
from curation.errors import UserError
from curation.rows import make_row
from loop.label_check import SILENT, label_check
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


ASKED = []


def broken(datapoint):
    ASKED.append(datapoint)
    raise RuntimeError("no such table")


def test_a_judge_that_never_works_ends_the_run_with_its_cause(tmp_path):
    options = {"kind": f"{__name__}:broken"}
    out, quiet = tmp_path / "more.jsonl", Progress(quiet=True)
    with label_check(options, out, None, Spent(), quiet, dry_run=False) as check:
        with pytest.raises(UserError, match="RuntimeError: no such table"):
            check(PAIRS * 3)
        assert len(ASKED) == SILENT


def test_a_dry_run_needs_no_key_knows_what_is_kept_and_keeps_to_the_limit(monkeypatch, tmp_path):
    asked(monkeypatch, tmp_path, CLAUDE)
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    quiet, another = Progress(quiet=True), [(PAIRS[0][0], PAIRS[0][0])]
    found = []
    for output, max_cost in (("more.jsonl", None), ("other.jsonl", None), ("other.jsonl", 1e-6)):
        spent = Spent()
        with label_check(CLAUDE, tmp_path / output, max_cost, spent, quiet, dry_run=True) as check:
            check.expect(PAIRS + another)
        found.append((spent.judged, spent.cost > 0, spent.stopped))
    assert found == [(1, True, ""), (4, True, ""), (0, False, "budget of cost spent")]
