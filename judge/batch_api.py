"""Message Batches over HTTP: create, list, wait, and read results as they come."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct, structs

from curation.errors import UserError
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from judge.service import Service

T = TypeVar("T")

PATH = "/v1/messages/batches"
MAX_RESULTS = 2**30
POLL_S = 30.0


class Counts(Struct, frozen=True):
    """How many requests of a batch are in which state."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class Batch(Struct):
    """A batch as the service shows it."""

    id: str
    processing_status: str = ""
    created_at: str = ""
    request_counts: Counts = Counts()

    @property
    def requests(self) -> int:
        """How many requests it has."""
        return sum(structs.astuple(self.request_counts))

    @property
    def time(self) -> float:
        """When it was made, in seconds since 1970; 0 where that cannot be read."""
        try:
            return datetime.fromisoformat(self.created_at).timestamp()
        except ValueError:
            return 0.0


class Outcome(Struct):
    """What became of a request: `type` is succeeded, errored, canceled or expired."""

    type: str
    message: msgspec.Raw = msgspec.Raw()
    error: object = None


class Result(Struct):
    """A line of the results."""

    custom_id: str
    result: Outcome


class _Page(Struct):
    data: list[Batch]
    has_more: bool = False


class BatchApi:
    """The batches of a service.

    Args:
        service: Asked with its patience.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def create(self, body: bytes) -> Batch:
        """Ask once for a batch.

        Raises:
            NoAnswerError: It was declined, or the answer was lost: the batch may be there.
        """
        try:
            return msgspec.json.decode(self._service.post(PATH, body, attempts=1), type=Batch)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            raise NoAnswerError(f"the answer to the create is no batch: {fault}") from fault

    def listed(self, since: float) -> Iterator[Batch]:
        """Batches, the newest first, back to a time in seconds since 1970."""
        after = ""
        while True:
            page = self._get(f"{PATH}?limit=100{after}", _Page)
            yield from page.data
            if not page.has_more or not page.data or page.data[-1].time < since:
                return
            after = f"&after_id={page.data[-1].id}"

    def wait_for(self, batch: str) -> None:
        """Poll until a batch has ended.

        Raises:
            NoAnswerError: There is no such batch.
        """
        for polls in count():
            if self._get(f"{PATH}/{batch}", Batch).processing_status == "ended":
                return
            self._service.wait(min(POLL_S, self._service.settings.max_wait, 1.5**polls))

    def results(self, batch: str) -> list[Result | None]:
        """The results of a batch that has ended, in any order; None for a line that is none.

        Raises:
            NoAnswerError: There is no such batch.
        """
        try:
            lines = self._service.get(f"{PATH}/{batch}/results", MAX_RESULTS).split(b"\n")
        except NoAnswerError as fault:
            raise self._unless_gone(fault) from fault
        return [_result(line) for line in lines if line.strip()]

    def _get(self, path: str, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(self._service.get(path), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as fault:
            fix = "run the same command again: batches are noted, and found again"
            raise UserError(f"not what the service promises: {fault}", where=path, fix=fix) from fault
        except NoAnswerError as fault:
            raise self._unless_gone(fault) from fault

    def _unless_gone(self, fault: NoAnswerError) -> NoAnswerError | UserError:
        return fault if fault.status == 404 else self._service.stops(fault)


def _result(line: bytes) -> Result | None:
    try:
        return msgspec.json.decode(line, type=Result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
