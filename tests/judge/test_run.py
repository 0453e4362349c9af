"""Running a judge: order, cache, budget, what is kept when a run is stopped."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from judge import side_by_side as threads
from judge.budget import Budget
from judge.estimate import estimate
from judge.identity import Identity
from judge.protocol import Forecast
from judge.reference import ReferenceJudge
from judge.run import judge_items
from judge.service import Service
from judge.settings import ServiceSettings
from judge.side_by_side import side_by_side
from judge.verdict import Item, Verdict, content_key
from judge.wire import StoppedError
from tests.judge.judges import judge_at
from tests.judge.loopback import Loopback, Reply, error, grades

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD = grades(verdict="right", categories="right")


class Memory(dict):
    """A cache in memory that knows which thread it is called from."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()

    def put(self, verdicts: Mapping[str, Verdict]) -> None:
        self.threads.add(threading.get_ident())
        self.update(verdicts)


class Scripted:
    """A judge that says what `reply` says and counts its calls by what it was asked about."""

    identity = Identity("scripted", "", "r", 1, {})

    def __init__(self, reply, concurrency: int = 4) -> None:
        self._concurrency = concurrency
        self.calls: list[str] = []
        self.stopped = threading.Event()
        self._reply = reply

    def verdicts(self, items):
        return side_by_side(self.judge, items, self._concurrency, self.stopped.set)

    def judge(self, item: Item) -> Verdict:
        self.calls.append(item.output)
        return self._reply(item)

    def forecast(self, item: Item) -> Forecast:
        return Forecast(10, 5, 0.01, 100, 0.02)


def items(count: int) -> list[Item]:
    return [Item(f"t{i}", [{"role": "user", "content": f"q{i}"}], f"a{i}", f"a{i}") for i in range(count)]


def scored(item: Item) -> Verdict:
    score = int(item.output[1:]) / 1000
    return Verdict(
        item.id, Scripted.identity.id, 0, "scored", score, input_tokens=10, output_tokens=5, cost=0.01
    )


def test_the_result_is_in_the_order_of_the_items_whatever_the_order_of_arrival():
    last = threading.Event()

    def reply(item: Item) -> Verdict:
        if item.output == "a0":
            assert last.wait(10)
        if item.output == "a7":
            last.set()
        return scored(item)

    told = []
    memory = Memory()
    verdicts = judge_items(iter(items(20)), Scripted(reply), memory, progress=told.append).verdicts
    assert [verdict.item_id for verdict in verdicts] == [f"t{i}" for i in range(20)]
    assert [verdict.score for verdict in verdicts] == [i / 1000 for i in range(20)]
    assert all(verdict.time for verdict in verdicts)
    assert (told[-1].done, told[-1].total, told[-1].asked, told[-1].abstained) == (20, 20, 20, 0)
    assert told[-1].cost == pytest.approx(0.2)
    assert [t.done for t in told] == sorted(t.done for t in told)
    assert memory.threads == {threading.get_ident()}


def test_as_many_run_at_once_as_the_judge_allows():
    together = threading.Barrier(4)

    def reply(item: Item) -> Verdict:
        together.wait(10)
        return scored(item)

    assert len(judge_items(items(8), Scripted(reply, concurrency=4), Memory()).verdicts) == 8


def test_what_is_not_kept_yet_counts_as_under_way():
    """So that no more than `concurrency` requests can be lost to a kill."""
    begun: list[str] = []

    class Watching(Memory):
        def put(self, verdicts):
            assert len(begun) - len(self) <= 3
            super().put(verdicts)

    def reply(item: Item) -> Verdict:
        begun.append(item.id)
        return scored(item)

    memory = Watching()
    judge_items(items(100), Scripted(reply, concurrency=3), memory)
    assert len(memory) == 100


def test_what_the_cache_knows_is_not_asked_again(safety, monkeypatch):
    memory = Memory()
    with Loopback(GOOD) as server:
        judge = judge_at(server.url, safety, monkeypatch)
        first = judge_items(items(10), judge, memory)
        assert (len(server.requests), first.asked) == (10, 10)
        again = judge_items(items(10), judge, memory)
        assert (len(server.requests), again.asked, again.cost) == (10, 0, 0)
        assert again.verdicts == first.verdicts
        other = judge_items(items(10), judge, memory, repeat=1)
        assert len(server.requests) == 20
    assert {verdict.repeat for verdict in other.verdicts} == {1}
    assert {verdict.state for verdict in first.verdicts} == {"scored"}


def test_ten_thousand_known_verdicts_are_read_and_nobody_is_asked():
    many, judge, memory = items(10_000), Scripted(scored), Memory()
    judge_id = judge.identity.id
    memory.put({content_key(i, judge_id, 0): Verdict(i.id, judge_id, 0, "scored", 0.5) for i in many})
    ran = judge_items(many, judge, memory)
    assert (judge.calls, ran.asked, len(ran.verdicts)) == ([], 0, 10_000)


def test_the_same_content_is_asked_once_and_answered_under_each_id():
    twice = [Item("a", [], "a1", None), Item("b", [], "a1", None)]
    judge, memory = Scripted(scored), Memory()
    assert [v.item_id for v in judge_items(twice, judge, memory).verdicts] == ["a", "b"]
    assert judge.calls == ["a1"]
    assert [v.item_id for v in judge_items([Item("c", [], "a1", None)], judge, memory).verdicts] == ["c"]
    assert judge.calls == ["a1"]


@pytest.mark.parametrize("state", ["unparsable", "refused", "truncated", "failed"])
def test_only_failed_verdicts_are_asked_again(state):
    judge = Scripted(lambda item: Verdict(item.id, Scripted.identity.id, 0, state))
    memory = Memory()
    judge_items(items(3), judge, memory)
    judge_items(items(3), judge, memory)
    assert len(judge.calls) == (6 if state == "failed" else 3)


def test_what_was_of_no_use_is_asked_again_where_it_is_wanted():
    replies = {"a0": "scored", "a1": "unparsable", "a2": "refused", "a3": "truncated"}

    def reply(item: Item) -> Verdict:
        state = replies[item.output]
        return Verdict(item.id, Scripted.identity.id, 0, state, 1.0 if state == "scored" else None)

    judge, memory = Scripted(reply), Memory()
    judge_items(items(4), judge, memory)
    replies["a1"] = replies["a2"] = "scored"
    wanted = {"unparsable", "truncated"}
    assert estimate(items(4), judge, memory, again=wanted)[:2] == (2, 2)
    judge.calls.clear()
    ran = judge_items(items(4), judge, memory, again=wanted)
    assert sorted(judge.calls) == ["a1", "a3"]
    assert [v.state for v in ran.verdicts] == ["scored", "scored", "refused", "truncated"]
    known = judge_items(items(4), judge, memory)
    assert (known.asked, [v.state for v in known.verdicts]) == (0, [v.state for v in ran.verdicts])


def test_a_wrong_key_stops_the_run_before_most_of_it_begins(safety, monkeypatch):
    with Loopback(error(401)) as server:
        judge = judge_at(server.url, safety, monkeypatch, settings=ServiceSettings(concurrency=2))
        with pytest.raises(UserError, match="401") as caught:
            judge_items(items(200), judge, Memory())
    assert len(server.requests) <= 4
    assert "ANTHROPIC_API_KEY" in caught.value.fix


@pytest.mark.parametrize("kind", ["anthropic", "openai", "http"])
def test_a_bad_item_does_not_stop_the_others(kind, safety, monkeypatch):
    with Loopback(GOOD) as server:
        plain = server.answer

        def answer(method, path, body):
            reply = plain(method, path, body)
            return error(400) if "q7" in str(body) else reply

        server.answer = answer
        ran = judge_items(items(20), judge_at(server.url, safety, monkeypatch, kind), Memory())
    states = {v.item_id: v.state for v in ran.verdicts}
    assert states.pop("t7") == "failed"
    assert set(states.values()) == {"scored"}


def test_a_service_that_is_out_stops_the_run_and_keeps_what_there_is(safety, monkeypatch):
    settings = ServiceSettings(attempts=1, concurrency=1)
    memory = Memory()
    with Loopback(*[GOOD] * 5, error(500)) as server:
        with pytest.raises(UserError, match="20 items in a row") as caught:
            judge_items(items(200), judge_at(server.url, safety, monkeypatch, settings=settings), memory)
        assert len(server.requests) == 25
    assert len(memory) == 5
    assert "again" in caught.value.fix


@pytest.mark.parametrize("where", ["judge", "progress", "cache"])
def test_ctrl_c_keeps_what_is_paid_for_and_the_next_run_asks_the_rest(where):
    pressed = threading.Event()

    def press(place: str, here: bool) -> None:
        if where == place and here and not pressed.is_set():
            pressed.set()
            raise KeyboardInterrupt

    class Interrupted(Memory):
        def put(self, verdicts):
            super().put(verdicts)
            press("cache", len(self) > 30)

    def reply(item: Item) -> Verdict:
        press("judge", item.output == "a30")
        return scored(item)

    judge, memory = Scripted(reply), Interrupted()
    with pytest.raises(KeyboardInterrupt):
        judge_items(items(200), judge, memory, progress=lambda s: press("progress", s.done > 30))
    begun = len(judge.calls)
    assert judge.stopped.is_set()
    assert len(memory) == begun - (where == "judge")
    assert begun < 60
    assert len(judge_items(items(200), judge, memory).verdicts) == 200
    assert len(judge.calls) == 200 + (where == "judge")


def test_a_request_that_hangs_does_not_hold_a_stopped_run_and_nothing_more_begins(monkeypatch):
    monkeypatch.setattr(threads, "GRACE_S", 0.05)
    both_hang, over = threading.Barrier(2), threading.Event()

    def reply(item: Item) -> Verdict:
        if item.output != "a0":
            both_hang.wait(10)
            over.wait(10)
        return scored(item)

    def progress(_: object) -> None:
        both_hang.wait(10)
        raise KeyboardInterrupt

    judge, memory = Scripted(reply, concurrency=2), Memory()
    with pytest.raises(KeyboardInterrupt):
        judge_items(items(50), judge, memory, progress=progress)
    assert not over.is_set()
    over.set()
    assert sorted(judge.calls) == ["a0", "a1"]
    assert len(memory) == 1


def test_a_stopped_judge_does_not_wait_out_its_patience(safety, monkeypatch):
    """A thread that waits before asking again gives up at once, and asks nothing more."""
    waiting = threading.Event()
    with Loopback(error(429, retry_after="600")) as server:
        settings = ServiceSettings(max_wait=600, concurrency=2)
        judge = judge_at(server.url, safety, monkeypatch, settings=settings)
        wait = judge._chat.service.wait

        def noted(seconds: float) -> None:
            waiting.set()
            wait(seconds)

        judge._chat.service.wait = noted
        arrivals = judge.verdicts(iter(items(5)))
        interrupt = threading.Thread(target=lambda: (waiting.wait(10), judge._chat.stop()))
        interrupt.start()
        with pytest.raises(StoppedError):
            next(arrivals)
        interrupt.join()
        assert len(server.requests) <= 2


def test_no_items_no_requests():
    assert judge_items([], Scripted(scored), Memory()).verdicts == []


def test_the_cached_verdict_lies_under_the_items_key():
    memory = Memory()
    item = items(1)[0]
    verdict = judge_items([item], Scripted(scored), memory, repeat=2).verdicts[0]
    assert memory == {content_key(item, Scripted.identity.id, 2): verdict}


@pytest.mark.parametrize(
    ("budget", "done"),
    [
        (Budget(cost=0.05), 4),
        (Budget(cost=0.2), 19),
        (Budget(tokens=200), 7),
        (Budget(cost=0.0101), 0),
        (Budget(cost=1), 20),
    ],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_budget_is_never_passed_and_used_as_far_as_is_certain(budget, done, concurrency):
    """Each item takes $0.01 and 15 tokens, and $0.02 and 100 tokens at most."""
    budget = Budget(budget._cost_limit, budget._token_limit)
    ran = judge_items(items(20), Scripted(scored, concurrency), Memory(), budget=budget)
    assert len(ran.verdicts) == done
    assert [item.id for item in ran.undone] == [f"t{i}" for i in range(done, 20)]
    assert budget.cost <= (budget._cost_limit or 1)
    assert budget.tokens <= (budget._token_limit or 1000)


def test_a_budget_in_dollars_needs_a_price(safety, monkeypatch):
    judge = judge_at("http://127.0.0.1:1", safety, monkeypatch, model="of-tomorrow")
    with pytest.raises(UserError, match="price") as caught:
        judge_items(items(1), judge, Memory(), budget=Budget(cost=1))
    assert "[[price]]" in caught.value.fix


def test_a_reply_that_does_not_say_what_it_took_counts_at_its_most():
    budget = Budget(cost=0.05)
    ran = judge_items(
        items(20), Scripted(lambda i: Verdict(i.id, "j", 0, "scored", 1.0)), Memory(), budget=budget
    )
    assert len(ran.verdicts) == 2


def test_an_estimate_asks_nobody(safety, monkeypatch):
    url = "http://127.0.0.1:1"
    known = estimate(
        items(10), judge_at(url, safety, monkeypatch, "openai", model="claude-haiku-5-5"), Memory()
    )
    assert (known.items, known.cached, known.tokens_are) == (10, 0, "estimated")
    assert 10 * 700 < known.input_tokens < 10 * 1500
    assert 0.001 < known.cost < 0.01
    other = estimate(items(10), judge_at(url, safety, monkeypatch, "openai", model="other"), Memory())
    assert other.cost is None
    assert estimate(items(10), ReferenceJudge(safety), Memory())[:5] == (10, 0, 0, 0, 0.0)
    twice, memory = [*items(10), *items(10)], Memory()
    judge_items(items(4), Scripted(scored), memory)
    assert estimate(twice, Scripted(scored), memory)[:2] == (6, 4)


def test_an_estimate_counts_tokens_where_the_service_does(safety, monkeypatch):
    with Loopback(GOOD, tokens=1234) as server:
        judge = judge_at(server.url, safety, monkeypatch)
        assert estimate(items(3), judge, Memory())[2:6:3] == (3 * 1234, "counted")
        many = estimate(items(400), judge, Memory())
        assert many.tokens_are == "counted on 100 of 400"
        assert many.input_tokens == pytest.approx(400 * 1234, rel=0.01)
        assert server.requests == []
        assert server.counted == 103
    silent = Loopback(Reply(hold=True))
    silent.url = "http://127.0.0.1:1"
    judge = judge_at(silent.url, safety, monkeypatch, settings=ServiceSettings(attempts=1))
    assert estimate(items(3), judge, Memory()).tokens_are == "estimated"
    silent._server.server_close()


def test_a_budget_in_tokens_needs_a_judge_that_counts_them(safety, monkeypatch):
    judge = judge_at("http://127.0.0.1:1", safety, monkeypatch, "http")
    with pytest.raises(UserError, match="how many tokens"):
        judge_items(items(1), judge, Memory(), budget=Budget(tokens=10**9))


def test_when_a_run_is_over_none_of_its_threads_is_left():
    judge_items(items(50), Scripted(scored, concurrency=8), Memory())
    assert not [thread for thread in threading.enumerate() if thread.name == "judge"]


def test_a_service_that_nobody_uses_any_more_is_closed():
    service = Service("s", "http://127.0.0.1:1", {}, ServiceSettings(), {})
    client = service._client
    assert not client.is_closed
    del service
    gc.collect()
    assert client.is_closed
