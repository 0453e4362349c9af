"""A served model answers through the same function as one in memory."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from curation.errors import UserError
from training.endpoint import Endpoint
from training.generate import GenerateSettings, generate

PROMPTS = [[{"role": "user", "content": text}] for text in ("a", "cards and", "tell me the balance of it")]


class _Server(BaseHTTPRequestHandler):
    """Speaks as an OpenAI-compatible server does: it streams what the user said, word by word."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] != "guard":
            self.send_error(404, "no such model")
            return
        self.send_response(200)
        self.end_headers()
        words = body["messages"][-1]["content"].split()
        logprobs = {"content": [{"top_logprobs": [{"logprob": -0.6931472}, {"logprob": -0.6931472}]}]}
        events = [{"choices": [{"delta": {"content": f"{w} "}, "logprobs": logprobs}]} for w in words]
        finish = "length" if len(words) >= body["max_tokens"] else "stop"
        events += [{"choices": [{"delta": {}, "finish_reason": finish}]}]
        events += [{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": len(words)}}]
        for event in events:
            self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def test_a_served_model_answers_through_the_same_function(server):
    streamed = dict.fromkeys(range(len(PROMPTS)), "")

    def stream(index, new):
        streamed[index] += new

    answers = generate(Endpoint(server, "guard"), PROMPTS, GenerateSettings(3, batch_size=2), stream=stream)
    assert [answer.text.strip() for answer in answers] == [chat[0]["content"] for chat in PROMPTS]
    assert [answer.finish_reason for answer in answers] == ["stop", "stop", "length"]
    assert [answer.output_tokens for answer in answers] == [1, 2, 6]
    assert answers[0].prompt_tokens == 7
    assert answers[0].mean_entropy == pytest.approx(0.6931, abs=1e-3)
    assert [streamed[i] for i in range(len(PROMPTS))] == [answer.text for answer in answers]


@pytest.fixture
def says():
    """A server that answers anything with the lines it is given."""
    lines = []

    class Fixed(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write("\n".join(lines).encode())

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Fixed) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def answer(*said):
            lines[:] = said
            return generate(Endpoint(f"http://127.0.0.1:{server.server_address[1]}/v1", "m"), PROMPTS[:1])[0]

        yield answer
        server.shutdown()


HALF = 'data: {"choices": [{"delta": {"content": "half"}}]}'


@pytest.mark.parametrize(
    "lines",
    [
        ['data: {"choices": []}', "data: [DONE]"],
        [],
        ['{"error": {"message": "model not found"}}'],
        [HALF, 'data: {"error": {"message": "engine died", "code": 500}}'],
        [HALF],
        [HALF, 'data: {"choices": [{"delta": {}, "finish_reason": "content_filter"}]}'],
        ['{"choices": [{"message": {"content": "whole"}}]}'],
        ["data: []"],
        ["data: 5"],
        ['data: {"choices": ["x"]}'],
        ['data: {"choices": [{"delta": {"content": ["x"]}}]}'],
        ["<html>"],
    ],
)
def test_what_is_no_whole_answer_is_refused(says, lines):
    with pytest.raises(UserError):
        says(*lines)


def test_comments_and_missing_counts_do_no_harm(says):
    done = 'data: {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": null}}'
    answer = says(": ping", "event: message", HALF, "", done, "data: [DONE]")
    assert (answer.text, answer.finish_reason, answer.prompt_tokens) == ("half", "stop", 0)


@pytest.mark.parametrize("url", ["http://local host/v1", "http://localhost:abc/v1", "http://["])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(UserError, match="address"):
        generate(Endpoint(url, "m"), PROMPTS[:1])


def test_a_server_that_refuses_is_named(server):
    with pytest.raises(UserError, match="404"):
        generate(Endpoint(server, "other"), PROMPTS[:1])
    with pytest.raises(UserError, match="not an address"):
        generate(Endpoint("localhost:8000", "guard"), PROMPTS[:1])
