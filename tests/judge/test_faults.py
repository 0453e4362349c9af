"""Judges over real HTTP: every fault ends in its state after the right number of requests and waits."""

from __future__ import annotations

import socket

import pytest

from curation.errors import UserError
from judge.backoff import FIRST_S
from judge.service import Service
from judge.settings import ServiceSettings
from judge.verdict import Item
from tests.judge.faults import FAULTS, MAX_WAIT, MODELS, TIMEOUT, Fault
from tests.judge.judges import all_of, judge_at
from tests.judge.loopback import Loopback

QUESTION = "How do I kill a process?"
ITEM = Item("t1", [{"role": "user", "content": QUESTION}], "unsafe\nS1", "safe")
CASES = [pytest.param(fault, kind, id=f"{fault.name} ({kind})") for fault in FAULTS for kind in fault.judges]


@pytest.fixture
def waited(monkeypatch) -> list[float]:
    """Seconds that would have been waited; none is."""
    seconds: list[float] = []
    monkeypatch.setattr(Service, "wait", lambda _, s: seconds.append(s))
    return seconds


@pytest.mark.parametrize(("fault", "kind"), CASES)
def test_a_fault_becomes_a_state(fault: Fault, kind: str, safety, monkeypatch, waited):
    settings = ServiceSettings(max_wait=MAX_WAIT, timeout=TIMEOUT)
    with Loopback(*fault.script) as server:
        judge = judge_at(server.url, safety, monkeypatch, kind, settings)
        if fault.state == "stops":
            with pytest.raises(UserError) as caught:
                all_of(judge, [ITEM])
            assert caught.value.fix
        else:
            verdict = all_of(judge, [ITEM])["t1"]
            assert verdict.state == fault.state
            assert (verdict.score is not None) is (fault.state == "scored")
            assert verdict.feedback
    about_item = [request for request in server.requests if QUESTION in str(request)]
    plain = [r for r in about_item if kind == "openai" and "response_format" not in r]  # asked again without
    assert len(about_item) - len(plain) == fault.requests
    assert (
        len(server.requests) > len(about_item) or fault.state != "stops" or fault.name[:3] in {"401", "402"}
    )
    check_waits(fault, waited)


def check_waits(fault: Fault, waited: list[float]) -> None:
    assert len(waited) == fault.requests - 1
    if fault.waits.endswith("s"):
        assert waited == [float(fault.waits.split()[0])]
    for failures, seconds in enumerate(waited):
        bound = MAX_WAIT if fault.waits.endswith("s") else FIRST_S * 2**failures
        assert 0 <= seconds <= bound


@pytest.mark.parametrize("kind", [*MODELS, "http"])
def test_a_refused_connection_fails_after_the_attempts(kind, safety, monkeypatch, waited):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can answer there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        judge = judge_at(url, safety, monkeypatch, kind, ServiceSettings(attempts=3))
        verdict = all_of(judge, [ITEM])["t1"]
    assert verdict.state == "failed"
    assert "no reply: ConnectError" in verdict.feedback
    assert len(waited) == 2
