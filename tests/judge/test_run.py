"""Running a judge: order, cache, resume, what is kept when a run is stopped."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from curation.errors import UserError
from judge import run
from judge.anthropic_judge import AnthropicJudge
from judge.reference import ReferenceJudge
from judge.run import WINDOW, estimate, judge_items
from judge.verdict import Item, Verdict, content_key
from tests.judge.loopback import Loopback, error, grades


class Memory(dict):
    """A cache in memory that knows which thread it is called from."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def put(self, key: str, verdict: Verdict) -> None:
        self.threads.add(threading.get_ident())
        self[key] = verdict


class Scripted:
    """A judge that says what `reply` says and counts its calls."""

    id = "scripted/1"

    def __init__(self, reply, concurrency: int = 4) -> None:
        self.concurrency = concurrency
        self.calls: list[str] = []
        self._reply = reply

    def judge(self, item: Item) -> Verdict:
        self.calls.append(item.id)
        return self._reply(item)


def items(count: int) -> list[Item]:
    return [Item(f"t{i}", [{"role": "user", "content": f"q{i}"}], f"a{i}", f"a{i}") for i in range(count)]


def scored(item: Item) -> Verdict:
    return Verdict(item.id, "scripted/1", 0, "scored", int(item.output[1:]) / 1000)


def test_the_result_is_in_the_order_of_the_items_whatever_the_order_of_arrival():
    last = threading.Event()

    def reply(item: Item) -> Verdict:
        if item.id == "t0":
            assert last.wait(10)
        if item.id == "t7":
            last.set()
        return scored(item)

    progress: list[tuple[int, int]] = []
    memory = Memory()
    verdicts = judge_items(iter(items(20)), Scripted(reply), memory, progress=lambda *p: progress.append(p))
    assert [verdict.item_id for verdict in verdicts] == [f"t{i}" for i in range(20)]
    assert [verdict.score for verdict in verdicts] == [i / 1000 for i in range(20)]
    assert progress == [(i, 20) for i in range(1, 21)]
    assert memory.threads == {threading.get_ident()}


def test_as_many_run_at_once_as_the_judge_allows():
    together = threading.Barrier(4)

    def reply(item: Item) -> Verdict:
        together.wait(10)
        return scored(item)

    assert len(judge_items(items(8), Scripted(reply, concurrency=4), Memory())) == 8


def test_what_the_cache_knows_is_not_asked_again(safety, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    memory = Memory()
    with Loopback(grades(verdict="right", categories="right")) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        judge = AnthropicJudge(safety)
        first = judge_items(items(10), judge, memory)
        assert len(server.requests) == 10
        assert judge_items(items(10), judge, memory) == first
        assert len(server.requests) == 10
        again = judge_items(items(10), judge, memory, repeat=1)
        assert len(server.requests) == 20
    assert {verdict.repeat for verdict in again} == {1}
    assert {verdict.state for verdict in first} == {"scored"}


def test_the_same_content_is_asked_once_and_answered_under_each_id():
    twice = [Item("a", [], "a1", None), Item("b", [], "a1", None)]
    judge, memory = Scripted(scored), Memory()
    assert [v.item_id for v in judge_items(twice, judge, memory)] == ["a", "b"]
    assert judge.calls == ["a"]
    assert [v.item_id for v in judge_items([Item("c", [], "a1", None)], judge, memory)] == ["c"]
    assert judge.calls == ["a"]


@pytest.mark.parametrize("state", ["unparsable", "refused", "truncated", "failed"])
def test_only_failed_verdicts_are_asked_again(state):
    judge = Scripted(lambda item: Verdict(item.id, "scripted/1", 0, state))
    memory = Memory()
    judge_items(items(3), judge, memory)
    judge_items(items(3), judge, memory)
    assert len(judge.calls) == (6 if state == "failed" else 3)


def test_a_user_error_stops_the_run_before_most_of_it_begins(safety, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "wrong")
    with Loopback(error(401)) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        with pytest.raises(UserError, match="401"):
            judge_items(items(200), AnthropicJudge(safety, concurrency=2), Memory())
    assert len(server.requests) <= WINDOW * 2 + 2


@pytest.mark.parametrize("where", ["judge", "progress"])
def test_ctrl_c_keeps_what_is_paid_for_and_the_next_run_asks_the_rest(where):
    pressed = threading.Event()

    def reply(item: Item) -> Verdict:
        if where == "judge" and item.id == "t30" and not pressed.is_set():
            pressed.set()
            raise KeyboardInterrupt
        return scored(item)

    def progress(done: int, total: int) -> None:
        if where == "progress" and done == 30 and not pressed.is_set():
            pressed.set()
            raise KeyboardInterrupt

    judge, memory = Scripted(reply), Memory()
    with pytest.raises(KeyboardInterrupt):
        judge_items(items(200), judge, memory, progress=progress)
    begun = len(judge.calls)
    assert len(memory) == begun - (where == "judge")
    assert begun < 60
    assert len(judge_items(items(200), judge, memory)) == 200
    assert len(judge.calls) == 200 + (where == "judge")


def test_no_more_than_a_few_requests_are_handed_out_at_once(monkeypatch):
    handed_out: list[Item] = []

    class Noting(ThreadPoolExecutor):
        def submit(self, fn, item):
            handed_out.append(item)
            return super().submit(fn, item)

    outstanding: list[int] = []
    monkeypatch.setattr(run, "ThreadPoolExecutor", Noting)
    judge = Scripted(scored, concurrency=3)
    judge_items(
        items(100), judge, Memory(), progress=lambda done, _: outstanding.append(len(handed_out) - done)
    )
    assert len(handed_out) == 100
    assert max(outstanding) < WINDOW * 3


def test_a_request_that_hangs_does_not_hold_a_stopped_run_and_nothing_more_begins(monkeypatch):
    monkeypatch.setattr(run, "GRACE_S", 0.05)
    all_hang, over, gave_up = threading.Barrier(3), threading.Event(), threading.Event()

    def reply(item: Item) -> Verdict:
        if item.id != "t0":
            all_hang.wait(10)
            if not over.wait(10):
                gave_up.set()
        return scored(item)

    def progress(*_: int) -> None:
        all_hang.wait(10)
        raise KeyboardInterrupt

    judge, memory = Scripted(reply, concurrency=2), Memory()
    before = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        judge_items(items(50), judge, memory, progress=progress)
    assert not gave_up.is_set()
    over.set()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert sorted(judge.calls) == ["t0", "t1", "t2"]
    assert len(memory) == 1


def test_no_items_no_requests():
    assert judge_items([], Scripted(scored), Memory()) == []


def test_an_estimate_asks_nobody(safety, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    known = estimate(items(10), AnthropicJudge(safety))
    assert known.items == 10
    assert 10 * 700 < known.input_tokens < 10 * 1500
    assert 0.001 < known.cost < 0.01
    assert estimate(items(10), AnthropicJudge(safety, model="other")).cost is None
    assert estimate(items(10), ReferenceJudge(safety)) == (10, 0, 0.0)
    assert estimate(items(10), Scripted(scored)).cost is None


def test_the_cached_verdict_lies_under_the_items_key():
    memory = Memory()
    item = items(1)[0]
    verdict = judge_items([item], Scripted(scored), memory, repeat=2)[0]
    assert memory == {content_key(item, "scripted/1", 2): verdict}
