"""The HTTP judge: POSTs one datapoint to a judge server, which answers with a score and a reason."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from msgspec import structs

from judge.datapoint import datapoint, verdict_of
from judge.identity import Identity
from judge.probe import PROBE, Probe
from judge.protocol import UNKNOWN, Forecast
from judge.service import Service, bare
from judge.side_by_side import side_by_side
from judge.strict import strict_json
from judge.verdict import Verdict
from judge.wire import NoAnswerError, encode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judge.protocol import Arrivals
    from judge.settings import ServiceSettings
    from judge.verdict import Item

_FIXES = {404: "check the judge server's address; the datapoint is POSTed to exactly this URL"}


class HttpJudge:
    """Asks a judge server, which knows its own rubric.

    Args:
        url: Where a datapoint is POSTed to.
        model: Sent along; part of the judge's id.
        settings: How the server is asked.
    """

    def __init__(self, url: str, model: str, settings: ServiceSettings) -> None:
        self.identity = Identity("http", model, "server", 1, {"url": bare(url), **_asked_for(url)})
        self._id, self._model = self.identity.id, model
        self._service = Service(f"judge server {bare(url)}", url, {}, settings, _FIXES)
        self._probe = Probe(lambda: self._post(PROBE))

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`."""
        threads = self._service.settings.concurrency
        return side_by_side(self._judge, items, threads, self._service.stop)

    def forecast(self, item: Item) -> Forecast:  # noqa: ARG002  what a server charges is not known
        """Tokens and cost are not known."""
        return UNKNOWN

    def _judge(self, item: Item) -> Verdict:
        try:
            body = self._post(item)
        except NoAnswerError as fault:
            if self._probe.refuses_everything(fault):
                raise self._service.stops(fault) from fault
            return Verdict(item.id, self._id, 0, "failed", feedback=fault.problem, raw=fault.raw)
        raw = body.decode("utf-8", errors="replace")
        try:
            answer = strict_json(body)
        except (ValueError, RecursionError) as fault:
            return Verdict(item.id, self._id, 0, "unparsable", feedback=f"not JSON: {fault}", raw=raw)
        return structs.replace(verdict_of(item.id, self._id, answer), raw=raw)

    def _post(self, item: Item) -> bytes:
        return self._service.post("", encode(datapoint(item, self._model)))


def _asked_for(url: str) -> dict[str, str]:
    """A URL's query, which may choose between judges and may hold a key: kept as its hash alone."""
    query = url.partition("#")[0].partition("?")[2]
    return {"query": hashlib.sha256(query.encode("utf-8", "backslashreplace")).hexdigest()} if query else {}
