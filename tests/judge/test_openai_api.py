"""OpenAI-compatible endpoints over real HTTP: structured where it is offered, plain where it is not."""

from __future__ import annotations

import json

import pytest

from curation.errors import UserError
from judge.openai_api import OpenAIChat, read
from judge.settings import ServiceSettings
from judge.verdict import Item
from tests.judge.faults import GOOD
from tests.judge.judges import QUICK, all_of, judge_at
from tests.judge.loopback import Loopback, Reply, completion, error, grades

ITEMS = [Item(f"t{i}", [{"role": "user", "content": f"q{i}"}], f"a{i}", None) for i in range(3)]


def test_the_request_is_what_the_endpoints_document(safety, monkeypatch):
    with Loopback(GOOD) as server:
        all_of(judge_at(server.url, safety, monkeypatch, "openai"), ITEMS[:1])
    request = server.requests[0]
    assert server.paths == ["/v1/chat/completions"]
    assert [m["role"] for m in request["messages"]] == ["system", "user"]
    form = request["response_format"]["json_schema"]
    assert (form["strict"], form["schema"]["required"]) == (True, ["feedback", "grades"])
    assert "temperature" not in request


@pytest.mark.parametrize("status", [400, 422, 501])
def test_an_endpoint_without_structured_output_is_asked_for_plain_json(status, safety, monkeypatch):
    """Refused once, or as often as requests were under way, and never again."""
    with Loopback(GOOD) as server:
        plain = server.answer

        def answer(method, path, body):
            reply = plain(method, path, body)
            return error(status, "response_format is not supported") if "response_format" in body else reply

        server.answer = answer
        settings = ServiceSettings(concurrency=1, attempts=1)
        verdicts = all_of(judge_at(server.url, safety, monkeypatch, "openai", settings), ITEMS)
    assert {v.state for v in verdicts.values()} == {"scored"}
    assert ["response_format" in r for r in server.requests] == [True, False, False, False]


def test_an_item_that_is_refused_does_not_end_structured_output(safety, monkeypatch):
    with Loopback(GOOD, error(400), GOOD, GOOD) as server:
        settings = ServiceSettings(concurrency=1)
        verdicts = all_of(judge_at(server.url, safety, monkeypatch, "openai", settings), ITEMS)
    assert [verdicts[f"t{i}"].state for i in range(3)] == ["scored", "failed", "scored"]
    assert all("response_format" in request for request in server.requests)


def test_models_that_want_another_name_for_the_limit_get_it(safety, monkeypatch):
    with Loopback(GOOD) as server:
        plain = server.answer

        def answer(method, path, body):
            reply = plain(method, path, body)
            return error(400, "use 'max_completion_tokens' instead") if "max_tokens" in body else reply

        server.answer = answer
        verdicts = all_of(
            judge_at(server.url, safety, monkeypatch, "openai", ServiceSettings(concurrency=1)), ITEMS
        )
    assert {v.state for v in verdicts.values()} == {"scored"}
    assert ["max_tokens" in r for r in server.requests] == [True, False, False, False]
    assert all("response_format" in r for r in server.requests)


def test_usage_with_cached_tokens(safety, monkeypatch):
    usage = {"prompt_tokens": 1000, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 900}}
    with Loopback(completion(GOOD.text, usage=usage)) as server:
        verdict = all_of(judge_at(server.url, safety, monkeypatch, "openai"), ITEMS[:1])["t0"]
    assert (verdict.input_tokens, verdict.cached_tokens, verdict.output_tokens) == (1000, 900, 50)
    assert verdict.cost == pytest.approx((100 * 0.10 + 900 * 0.01 + 50 * 0.50) / 1e6)


def test_a_refusal_in_its_own_field(safety, monkeypatch):
    choice = {"message": {"content": None, "refusal": "I will not."}, "finish_reason": "stop"}
    with Loopback(completion("", choices=[choice])) as server:
        verdict = all_of(judge_at(server.url, safety, monkeypatch, "openai"), ITEMS[:1])["t0"]
    assert (verdict.state, "I will not" in verdict.feedback) == ("refused", True)


def test_a_key_is_sent_where_there_is_one(monkeypatch, safety):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    assert (
        OpenAIChat("m", "http://localhost/v1", QUICK).service._client.headers["authorization"]
        == "Bearer sk-test"
    )
    monkeypatch.delenv("OPENAI_API_KEY")
    assert "authorization" not in OpenAIChat("m", "http://localhost/v1", QUICK).service._client.headers


@pytest.mark.parametrize("url", ["localhost:8000", "", "http://", "ftp://x/y"])
def test_an_address_that_is_none(url):
    with pytest.raises(UserError, match="URL") as caught:
        OpenAIChat("m", url, QUICK)
    assert "http://localhost:8000/v1" in caught.value.fix


def test_a_chat_without_a_schema_is_just_a_chat(monkeypatch):
    with Loopback(completion("hello")) as server:
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        said = OpenAIChat("m", f"{server.url}/v1", QUICK).send([{"role": "user", "content": "hi"}])
    assert (said.text, said.ended, said.stop_reason, said.tokens.read) == ("hello", "finished", "stop", 1000)
    assert "response_format" not in server.requests[0]


def test_nothing_but_the_grades_is_needed_of_a_plain_reply(safety, monkeypatch):
    body = {
        "choices": [
            {
                "message": {"content": grades(verdict="right", categories="right").text},
                "finish_reason": "stop",
            }
        ]
    }
    with Loopback(Reply(body=json.dumps(body).encode())) as server:
        verdict = all_of(judge_at(server.url, safety, monkeypatch, "openai"), ITEMS[:1])["t0"]
    assert (verdict.state, verdict.cost) == ("scored", None)


@pytest.mark.parametrize(
    "usage", [{}, {"prompt_tokens": 0, "completion_tokens": 0}, {"total_tokens": 50}, {"prompt_tokens": 9}]
)
def test_a_usage_without_tokens_says_nothing(usage):
    assert read(completion(GOOD.text, usage=usage).body).tokens is None
