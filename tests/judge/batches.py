"""Message Batches as the loopback server keeps them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

GOOD = {
    "type": "message",
    "content": [
        {
            "type": "text",
            "text": '{"feedback": "fine", "grades": {"verdict": "right", "categories": "right"}}',
        }
    ],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1000, "output_tokens": 100},
}
FAULT = {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}


class Batches:
    """Batches that end after some polls.

    Attributes:
        made: Each batch as the service shows it, by id, the oldest first.
        keys: Custom ids of each batch.
        creates: How often a create was asked for.
        polls: Polls until a batch has ended.
        outcomes: Type of the result (those of `tests.judge.faults.BATCH_FAULTS`) by the request's
            place in its batch; succeeded unless given.
        lose: So many creates make their batch, and their answer is lost.
        refuse: So many creates are answered with 529, and make none.
        message: What the model says in a result.
    """

    def __init__(self) -> None:
        self.made: dict[str, dict[str, Any]] = {}
        self.keys: dict[str, list[str]] = {}
        self.creates = 0
        self.polls = 2
        self.outcomes: dict[int, str] = {}
        self.lose = self.refuse = 0
        self.message: dict[str, Any] = GOOD
        self._polled: dict[str, int] = {}

    def add(self, keys: list[str], age: float = 0.0) -> str:
        """Make a batch, so many seconds ago."""
        identity = f"msgbatch_{len(self.made)}"
        self.keys[identity] = keys
        counts = dict.fromkeys(("succeeded", "errored", "canceled", "expired"), 0)
        self.made[identity] = {
            "id": identity,
            "type": "message_batch",
            "processing_status": "in_progress",
            "created_at": (datetime.now(UTC) - timedelta(seconds=age)).isoformat(),
            "request_counts": counts | {"processing": len(keys)},
        }
        return identity

    def answer(self, method: str, path: str, body: Any) -> dict[str, Any]:
        """Fields of the reply to a request."""
        path, _, query = path.partition("?")
        if method == "POST":
            return self._create(body)
        if path.endswith("/batches"):
            return self._listed(query)
        identity = path.removesuffix("/results").rpartition("/")[2]
        if identity not in self.made:
            return {"status": 404, "body": b'{"error": {"message": "no such batch"}}'}
        if path.endswith("/results"):
            return {"body": self._results(identity)}
        return {"body": json.dumps(self._polled_once(identity)).encode()}

    def _create(self, body: Any) -> dict[str, Any]:
        self.creates += 1
        if self.refuse:
            self.refuse -= 1
            return {"status": 529, "body": b'{"error": {"message": "overloaded"}}'}
        identity = self.add([request["custom_id"] for request in body["requests"]])
        if self.lose:
            self.lose -= 1
            return {"body": b'{"id"', "cut": True}
        return {"body": json.dumps(self.made[identity]).encode()}

    def _listed(self, query: str) -> dict[str, Any]:
        newest = list(reversed(self.made.values()))
        after = dict(pair.split("=") for pair in query.split("&")).get("after_id")
        start = next((i + 1 for i, b in enumerate(newest) if b["id"] == after), 0)
        page = newest[start : start + 2]  # a small page, so that pages are walked
        return {"body": json.dumps({"data": page, "has_more": start + 2 < len(newest)}).encode()}

    def _polled_once(self, identity: str) -> dict[str, Any]:
        self._polled[identity] = self._polled.get(identity, 0) + 1
        if self._polled[identity] >= self.polls:
            self.made[identity]["processing_status"] = "ended"
        return self.made[identity]

    def _results(self, identity: str) -> bytes:
        lines = []
        for place, key in reversed(list(enumerate(self.keys[identity]))):
            kind = self.outcomes.get(place, "succeeded")
            odd = {"twice": key, "beside ids that nobody asked for": f"{key}-of-nobody"}
            if kind != "missing":
                lines.append(self._result(key, "succeeded" if kind in odd else kind))
            if kind in odd:
                lines.append(self._result(odd[kind], "errored"))
        return "".join(line + "\n" for line in lines).encode()

    def _result(self, key: str, kind: str) -> str:
        result: dict[str, Any] = {"type": kind}
        if kind == "succeeded":
            result["message"] = self.message
        if kind == "errored":
            result["error"] = FAULT
        return json.dumps({"custom_id": key, "result": result})
