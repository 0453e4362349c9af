"""What goes over the wire: a request as JSON, a response as it came, and what it means that none did."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

MAX_ERROR = 20_000
AGAIN = {408, 409, 425, 429}
"""Statuses below 500 that may be another one when asked again."""


class Response(NamedTuple):
    """A response as it came."""

    status: int
    retry_after: str | None
    body: bytes


class NoAnswerError(Exception):
    """The service did not answer a request.

    Attributes:
        problem: What happened, in words.
        status: Its last status; None when there was none.
        raw: Its last body.
        retry_after: Its last `retry-after` header.
    """

    def __init__(
        self, problem: str, status: int | None = None, raw: str = "", retry_after: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem, self.status, self.raw, self.retry_after = problem, status, raw, retry_after

    @property
    def refused(self) -> bool:
        """Whether the service understood that it was asked and declined to answer this."""
        return self.status is not None and 300 <= self.status < 500 and self.status not in AGAIN | {413}


class StoppedError(Exception):
    """The run ended before this request was answered."""


def encode(body: object) -> bytes:
    """A request as JSON.

    Raises:
        NoAnswerError: A text is not valid Unicode.
    """
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as fault:
        raise NoAnswerError(f"the item's text is not valid Unicode: {fault.reason}") from fault


def declined(response: Response) -> NoAnswerError:
    """The error for a response that is no answer, with what the service said."""
    text = response.body[:MAX_ERROR].decode("utf-8", errors="replace")
    said = " ".join(text.split())[:300] or "no reason given"
    problem = f"the service answered {response.status}: {said}"
    return NoAnswerError(problem, response.status, text, response.retry_after)
