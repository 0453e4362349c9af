"""Claude over real HTTP on the loopback interface: text and usage out, faults bounded."""

from __future__ import annotations

import pytest

from curation.augmentation.chat import Reply as Said
from curation.errors import UserError
from judge.service import Service
from loop.chat import ClaudeChat
from tests.judge.loopback import Loopback, Reply, error, message

SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}


def ask(monkeypatch, *script: Reply):
    waited: list[float] = []
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setattr(Service, "wait", lambda _, seconds: waited.append(seconds))
    with Loopback(*script) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        return ClaudeChat("claude-haiku-5-5").send("system", "user", SCHEMA), server, waited


def test_text_and_usage_come_back(monkeypatch):
    said, server, _ = ask(monkeypatch, message('{"a": 1}'))
    assert said == Said('{"a": 1}', 1000, 100)
    (request,) = server.requests
    assert request["system"][0]["text"] == "system"
    assert request["messages"] == [{"role": "user", "content": "user"}]
    assert request["output_config"]["format"]["schema"] == SCHEMA


@pytest.mark.parametrize("reason", ["max_tokens", "refusal"])
def test_a_reply_that_was_cut_or_refused_is_paid_for_but_empty(monkeypatch, reason):
    assert ask(monkeypatch, message("half", reason))[0] == Said("", 1000, 100)


@pytest.mark.parametrize(
    ("script", "text", "requests"),
    [
        ([error(429), message("x")], "x", 2),
        ([error(500)], "", 4),
        ([error(400)], "", 1),
        ([Reply(body=b"{", cut=True), message("x")], "x", 2),
    ],
)
def test_faults_are_asked_again_a_few_times(monkeypatch, script, text, requests):
    said, server, waited = ask(monkeypatch, *script)
    assert (said.text, len(server.requests), len(waited)) == (text, requests, requests - 1)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_what_every_message_would_meet_is_the_users_to_fix(monkeypatch, status):
    with pytest.raises(UserError, match=str(status)):
        ask(monkeypatch, error(status))


def test_without_a_key_nobody_is_asked(monkeypatch):
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with pytest.raises(UserError, match="not set"):
        ClaudeChat("claude-haiku-5-5").send("", "", SCHEMA)


def test_the_cost_is_that_of_the_price_list():
    assert ClaudeChat("claude-haiku-5-5").cost(1_000, 1_000) == pytest.approx(0.0006)
    assert ClaudeChat("a-model-of-next-year").cost(1, 1) is None
