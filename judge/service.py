"""An HTTP service: asked until a reply comes, with bounded attempts, bounded waits and a bounded body."""

from __future__ import annotations

import re
import threading
import time
import weakref
from typing import TYPE_CHECKING

import httpx2

from curation.errors import UserError
from judge.backoff import wait_s
from judge.pace import PATIENCE_S, Pace
from judge.wire import AGAIN, NoAnswerError, Response, StoppedError, declined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from judge.settings import ServiceSettings

CONNECT_S = 10.0
MAX_BODY = 64 * 2**20
BUSY = {429, 529}
"""Refused for being asked too much: fewer requests a second."""
STOPS = {401, 402}
"""No item can be judged until the user has done something."""
SILENT = 20
"""So many items in a row without any reply, and the service is out."""


class Service:
    """One service at one address. Safe to use from many threads.

    Args:
        name: What errors call it.
        url: Where it is, with `http://` or `https://`.
        headers: Sent with each request.
        settings: Attempts, waits, and requests at once.
        fixes: What the user can do about a status, where there is something.

    Raises:
        UserError: The URL is none.
    """

    def __init__(
        self,
        name: str,
        url: str,
        headers: Mapping[str, str],
        settings: ServiceSettings,
        fixes: Mapping[int, str],
    ) -> None:
        _demand_url(url, name)
        self.settings = settings
        self._name, self._url, self._fixes = name, url.rstrip("/"), fixes
        limits = httpx2.Limits(
            max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency
        )
        times = httpx2.Timeout(settings.timeout, connect=min(CONNECT_S, settings.timeout))
        self._client = httpx2.Client(headers=dict(headers), timeout=times, limits=limits)
        weakref.finalize(self, self._client.close)  # no __del__: that may come when half of Python is gone
        self._pace = Pace(settings.concurrency)
        self._stopped = threading.Event()
        self._silent = 0

    def stop(self) -> None:
        """End all waits: a request under way may come to its end, and no further one begins."""
        self._stopped.set()

    def wait(self, seconds: float) -> None:
        """Sleep, unless the run is stopped.

        Raises:
            StoppedError: It is.
        """
        until = time.monotonic() + seconds
        while True:  # in short waits: Ctrl-C may be told to another thread than this
            left = until - time.monotonic()
            if self._stopped.wait(min(max(left, 0.0), PATIENCE_S)):
                raise StoppedError
            if left <= 0:
                return

    def post(self, path: str, body: bytes, attempts: int | None = None) -> bytes:
        """The body of the answer to a POST of JSON.

        Args:
            path: Below the service's address.
            body: JSON.
            attempts: How often to ask; as in the settings unless given.

        Raises:
            NoAnswerError: All attempts failed, or the service declined this request.
            UserError: No request can succeed: the key is wrong, or the service is out.
            StoppedError: `stop` was called.
        """
        return self._ask("POST", path, body, attempts=attempts)

    def get(self, path: str, max_body: int = MAX_BODY) -> bytes:
        """The body of the answer to a GET. Raises as `post`."""
        return self._ask("GET", path, max_body=max_body)

    def stops(self, fault: NoAnswerError) -> UserError:
        """The error for a fault that every item would meet."""
        fix = self._fixes.get(fault.status or 0, "read what the service says, and correct the settings")
        return UserError(fault.problem, where=self._name, fix=fix)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        max_body: int = MAX_BODY,
        attempts: int | None = None,
    ) -> bytes:
        failures = 0
        while True:
            try:
                return self._attempt(method, path, body, max_body)
            except NoAnswerError as fault:
                failures += 1
                self._give_up(fault, last=failures >= (attempts or self.settings.attempts))
                pause = wait_s(failures, fault.retry_after, self.settings.max_wait)
            self.wait(pause)

    def _attempt(self, method: str, path: str, body: bytes | None, max_body: int) -> bytes:
        began = self._begin()
        try:
            reply = self._request(method, path, body, max_body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise NoAnswerError(f"no reply: {type(error).__name__}: {error}") from error
        finally:
            self._pace.end()
        if reply.status < 300:
            self._silent = 0
            self._pace.faster()
            return reply.body
        fault = declined(reply)
        if reply.status in BUSY:
            self._pace.slower(began)
        raise fault

    def _begin(self) -> float:
        began = self._pace.begin(self._stopped)
        if self._stopped.is_set():
            self._pace.end()
            raise StoppedError
        return began

    def _give_up(self, fault: NoAnswerError, *, last: bool) -> None:
        """Raise where asking again makes no sense.

        Raises:
            NoAnswerError: The service declined this request, or this was the last attempt.
            UserError: No request can succeed.
        """
        if fault.status in STOPS:
            raise self.stops(fault)
        if fault.status is not None and fault.status not in AGAIN and fault.status < 500:
            self._silent = 0
            raise fault
        if last:
            self._silent += 1
            if self._silent < SILENT:
                raise fault
            problem = f"{SILENT} items in a row got no answer; the last: {fault.problem}"
            fix = "run the same command again when the service answers: what was judged is kept"
            raise UserError(problem, where=self._name, fix=fix)

    def _request(self, method: str, path: str, body: bytes | None, max_body: int) -> Response:
        headers = {"content-type": "application/json"} if body is not None else {}
        until = time.monotonic() + self.settings.timeout
        with self._client.stream(method, self._url + path, content=body, headers=headers) as response:
            received = bytearray()
            for chunk in response.iter_bytes():
                received += chunk
                if time.monotonic() > until or len(received) > max_body:
                    raise httpx2.ReadTimeout(f"the reply went on after {len(received)} bytes")
            return Response(response.status_code, response.headers.get("retry-after"), bytes(received))


def bare(url: str) -> str:
    """A URL without the secrets that it may hold: name and password, query, fragment."""
    return re.sub(r"^([^/]*//)?[^/]*@", r"\1", re.split("[?#]", url, maxsplit=1)[0]).rstrip("/")


def _demand_url(url: str, name: str) -> None:
    try:
        whole = httpx2.URL(url)
    except httpx2.InvalidURL:
        whole = httpx2.URL()
    if whole.scheme not in {"http", "https"} or not whole.host:
        raise UserError(
            f"{bare(url)!r} is no URL", where=name, fix="give one such as http://localhost:8000/v1"
        )
