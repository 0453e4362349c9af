"""A server on the loopback interface that answers from a script, faults included.

It speaks the Messages API with batches and token counting, OpenAI-compatible chat, and the contract of a
judge server, told apart by the path.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.judge.batches import Batches

STOPS = {
    "finished": ("end_turn", "stop"),
    "cut": ("max_tokens", "length"),
    "refused": ("refusal", "content_filter"),
    "odd": ("pause_turn", "tool_calls"),
}
USAGE = {"input_tokens": 1000, "output_tokens": 100}


@dataclass
class Reply:
    """One scripted response.

    `cut` resets the connection in mid-body, `hold` never answers, `endless` sends bytes for ever, `late`
    waits so many seconds before the first byte.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: bool = False
    endless: bool = False
    late: float = 0.0


@dataclass
class Said:
    """What the model says, put into the protocol of whoever asks; `how` are fields of the `Reply`."""

    text: str
    stop: str = "finished"
    how: dict[str, Any] = field(default_factory=dict)


def message(text: str, stop_reason: str | None = "end_turn", **fields: Any) -> Reply:
    """A message of the Messages API that says `text`; `fields` replace fields of the body."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "usage": USAGE,
    }
    return Reply(body=json.dumps(body | fields).encode())


def completion(text: Any, finish_reason: str | None = "stop", **fields: Any) -> Reply:
    """An OpenAI-compatible chat completion that says `text`; `fields` replace fields of the body."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
    }
    return Reply(body=json.dumps(body | fields).encode())


def grades(feedback: str = "fine", **chosen: Any) -> Said:
    """A reply with these grades; a judge server says the score 1 and the same reason."""
    return Said(json.dumps({"feedback": feedback, "grades": chosen}))


def error(status: int, text: str = "", **headers: str) -> Reply:
    """An error as the services word it; underscores in header names stand for hyphens."""
    body = {"type": "error", "error": {"type": "some_error", "message": text or f"scripted {status}"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body).encode(), named)


def rendered(said: Said, path: str) -> Reply:
    """What is said, in the protocol of a path."""
    claude, openai = STOPS[said.stop]
    if path.endswith("/v1/messages"):
        reply = message(said.text, claude)
    elif path.endswith("/chat/completions"):
        reply = completion(said.text, openai)
    else:
        reason = json.loads(said.text)["feedback"]
        reply = Reply(body=json.dumps({"score": 1.0, "reason": reason}).encode())
    for name, value in said.how.items():
        setattr(reply, name, value)
    return reply


class Loopback:
    """Serves the script in order, then its last reply for ever; `requests` holds the bodies received.

    Attributes:
        requests: Bodies of what was asked; counting tokens and batches are not among them.
        paths: Their paths.
        batches: The batches that were made.
        counted: How often tokens were counted.
        tokens: What counting says.
    """

    def __init__(self, *script: Reply | Said, tokens: int = 1000) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.batches = Batches()
        self.counted, self.tokens = 0, tokens
        self._script = list(script)
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, body: Any) -> Reply:
        """The response to a request."""
        with self._lock:
            if "/v1/messages/batches" in path:
                return Reply(**self.batches.answer(method, path, body))
            if path.endswith("/count_tokens"):
                self.counted += 1
                return Reply(body=json.dumps({"input_tokens": self.tokens}).encode())
            self.requests.append(body)
            self.paths.append(path)
            reply = self._script.pop(0) if len(self._script) > 1 else self._script[0]
        return rendered(reply, path) if isinstance(reply, Said) else reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"loopback": self, "released": self._released})


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that are gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback: Loopback
    released: threading.Event

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._serve(self.loopback.answer("POST", self.path, body))

    def do_GET(self) -> None:
        self._serve(self.loopback.answer("GET", self.path, None))

    def _serve(self, reply: Reply) -> None:
        if reply.hold or self.released.wait(reply.late):
            self.released.wait()
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        extra = 10**9 * reply.endless + 1000 * reply.cut
        self.send_header("content-length", str(len(reply.body) + extra))
        self.end_headers()
        self.wfile.write(reply.body)
        if reply.endless:
            self._go_on()
        if reply.cut:
            self._reset()

    def _go_on(self) -> None:
        with contextlib.suppress(OSError):
            while not self.released.wait(0.01):
                self.wfile.write(b" ")

    def _reset(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass
