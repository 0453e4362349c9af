"""Batches over real HTTP: every outcome is a state, and no batch is lost or paid for twice."""

from __future__ import annotations

import pytest

from curation.errors import UserError
from judge import batch_judge
from judge.run import judge_items
from judge.settings import ServiceSettings
from judge.verdict import Item
from loop.spool import Memory
from tests.judge.faults import BATCH_FAULTS
from tests.judge.judges import Journal, all_of, batch_judge_at, judge_at
from tests.judge.loopback import Loopback, Reply

ITEMS = [Item(f"t{i}", [{"role": "user", "content": f"q{i}"}], f"a{i}", None) for i in range(6)]


@pytest.fixture
def server():
    with Loopback(Reply()) as running:
        yield running


@pytest.fixture
def judge(server, safety, monkeypatch):
    """A judge as a run after a kill has it: the same journal, nothing else."""
    journal = Journal()
    return lambda **settings: batch_judge_at(
        server.url, safety, monkeypatch, journal, ServiceSettings(max_wait=0.01, **settings)
    )


def test_every_outcome_has_its_state_and_the_others_go_on(server, judge):
    server.batches.outcomes = dict(enumerate(BATCH_FAULTS))
    items = [*ITEMS, Item("t6", [], "last")]
    verdicts = all_of(judge(), items)
    assert [verdicts[item.id].state for item in items] == list(BATCH_FAULTS.values())
    assert "invalid_request_error" in verdicts["t1"].raw
    assert server.batches.creates == 1


def test_a_result_carries_everything_at_half_the_price(server, judge, safety, monkeypatch):
    verdict = all_of(judge(), ITEMS)["t0"]
    assert (verdict.score, verdict.stop_reason, verdict.input_tokens) == (1.0, "end_turn", 1000)
    assert verdict.cost == pytest.approx((1000 * 0.10 + 100 * 0.50) / 2 / 1e6)
    assert judge().identity.id.startswith("anthropic-batch/")
    assert judge().identity != judge_at(server.url, safety, monkeypatch).identity


def test_the_batch_is_noted_before_it_is_polled(server, judge):
    running = judge()
    seen = []

    def poll(batch: str) -> None:
        seen.extend(running._journal.notes.values())
        raise KeyboardInterrupt

    running._api.wait_for = poll
    with pytest.raises(KeyboardInterrupt):
        all_of(running, ITEMS)
    assert [note.batch for note in seen] == ["msgbatch_0"]
    assert len(all_of(judge(), ITEMS)) == 6
    assert server.batches.creates == 1


def test_a_create_whose_answer_was_lost_is_found_again(server, judge):
    server.batches.lose = 1
    server.batches.add([f"other{i}" for i in range(5)])  # of another size
    server.batches.add([f"old{i}" for i in range(6)], age=3600)  # too old
    for _ in range(3):
        server.batches.add(["later"])  # newer ones, so that pages are walked
    verdicts = all_of(judge(), ITEMS)
    assert {v.state for v in verdicts.values()} == {"scored"}
    assert server.batches.creates == 1


def test_a_create_that_was_killed_before_its_answer_is_found_by_the_next_run(server, judge):
    killed = judge()
    noted = killed._journal.put

    def put(note):
        if note.batch:
            raise KeyboardInterrupt
        noted(note)

    killed._journal.put = put
    with pytest.raises(KeyboardInterrupt):
        all_of(killed, ITEMS)
    killed._journal.put = noted
    assert len(all_of(judge(), ITEMS)) == 6
    assert server.batches.creates == 1


def test_a_create_that_never_arrived_is_made_by_the_next_run(server, judge):
    server.batches.refuse = 2
    with pytest.raises(UserError, match="529"):
        all_of(judge(attempts=2), ITEMS)
    assert len(all_of(judge(), ITEMS)) == 6
    assert len(server.batches.made) == 1


def test_a_batch_of_somebody_else_is_not_taken_for_ours(server, judge):
    server.batches.add([f"other{i}" for i in range(6)])
    server.batches.refuse = 1  # the create fails, and a batch of the same size is there
    verdicts = all_of(judge(), ITEMS)
    assert {v.state for v in verdicts.values()} == {"scored"}
    assert len(server.batches.made) == 2


def test_a_batch_that_is_gone_is_made_again(server, judge):
    first = judge()
    first._api.wait_for = lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        all_of(first, ITEMS)
    del server.batches.made["msgbatch_0"]
    server.batches.made["msgbatch_x"] = {"id": "msgbatch_x", "request_counts": {}, "created_at": "x"}
    assert {v.state for v in all_of(judge(), ITEMS).values()} == {"scored"}
    assert server.batches.creates == 2


def test_many_items_make_several_batches_and_none_is_noted_twice(server, judge, monkeypatch):
    monkeypatch.setattr(batch_judge, "ITEMS", 4)
    running = judge()
    assert len(all_of(running, ITEMS)) == 6
    assert [len(keys) for keys in server.batches.keys.values()] == [4, 2]
    assert running._journal.open(running.identity.id) == []


def test_what_failed_is_asked_again_by_the_next_run_and_nothing_else(server, judge):
    memory = Memory()
    server.batches.outcomes = {1: "expired", 2: "errored"}
    first = judge_items(ITEMS, judge(), memory)
    assert sum(v.state == "failed" for v in first.verdicts) == 2
    server.batches.outcomes = {}
    second = judge_items(ITEMS, judge(), memory)
    assert {v.state for v in second.verdicts} == {"scored"}
    assert [len(keys) for keys in server.batches.keys.values()] == [6, 2]


def test_text_that_is_not_unicode_fails_alone(server, judge):
    verdicts = all_of(judge(), [*ITEMS, Item("bad", [], "\ud83d", None)])
    assert verdicts.pop("bad").state == "failed"
    assert {v.state for v in verdicts.values()} == {"scored"}


def test_no_items_no_batch(server, judge):
    assert all_of(judge(), []) == {}
    assert server.batches.creates == 0
