"""A Messages API on the loopback interface that answers from a script, faults included."""

from __future__ import annotations

import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """One scripted reply: `cut` resets the connection in mid-body, `hold` never answers."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: bool = False


def message(text: str, stop_reason: str | None = "end_turn", **fields: Any) -> Reply:
    """A well-formed message that says `text`; `fields` replace fields of the body."""
    body = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "usage": {"input_tokens": 1000, "output_tokens": 100},
    }
    return Reply(body=json.dumps(body | fields).encode())


def grades(feedback: str = "fine", **chosen: Any) -> Reply:
    """A message with these grades."""
    return message(json.dumps({"feedback": feedback, "grades": chosen}))


def error(status: int, **headers: str) -> Reply:
    """An error as the service words it; underscores in header names stand for hyphens."""
    body = {"type": "error", "error": {"type": "some_error", "message": f"scripted {status}"}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body).encode(), named)


class Loopback:
    """Serves the script in order, then its last reply for ever; `requests` holds the bodies received."""

    def __init__(self, *script: Reply) -> None:
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self._script = list(script)
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def _next(self, path: str, body: dict[str, Any]) -> Reply:
        with self._lock:
            self.requests.append(body)
            self.paths.append(path)
            return self._script.pop(0) if len(self._script) > 1 else self._script[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                reply = loopback._next(self.path, body)
                if reply.hold:
                    loopback._released.wait()
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body) + (1000 if reply.cut else 0)))
                self.end_headers()
                self.wfile.write(reply.body)
                if reply.cut:
                    self._reset()

            def _reset(self) -> None:
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler
