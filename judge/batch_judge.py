"""The batch judge: Claude through Message Batches, at half the price, within a day instead of seconds."""

from __future__ import annotations

import secrets
import time
from itertools import count
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from judge.backoff import wait_s
from judge.batch_api import BatchApi
from judge.batch_journal import Note
from judge.counting import counted
from judge.grader import Grader
from judge.messages_api import read
from judge.wire import NoAnswerError, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from judge.batch_api import Result
    from judge.batch_journal import Journal
    from judge.messages_api import MessagesChat
    from judge.prices import Prices
    from judge.protocol import Arrivals, Forecast
    from judge.rubric import Rubric
    from judge.verdict import Item, Verdict

ITEMS = 5000
"""Items of a batch, at most: the service takes more, but then nothing arrives until all is done."""
ROUNDS = 2
"""A batch that was taken for ours and is not, or is gone, is made again: so often, and no more."""
SKEW_S = 300.0
"""How far the service's clock may be from ours."""


class BatchJudge:
    """Asks a Claude model for one grade per criterion, in batches.

    What it is about to send, and the id of each batch, is in the journal before anything else happens: a run
    that was killed finds its batches again, and so does one whose create got no answer.

    Args:
        rubric: What to grade by.
        chat: The model.
        prices: Price table; the batch price holds.
        journal: Where batches are noted.
    """

    def __init__(self, rubric: Rubric, chat: MessagesChat, prices: Prices, journal: Journal) -> None:
        self.grader = Grader("anthropic-batch", chat.model, rubric, prices, chat.settings, batch=True)
        self.identity = self.grader.identity
        self._id = self.identity.id
        self._chat, self._service, self._journal = chat, chat.service, journal
        self._api = BatchApi(chat.service)

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`. An item's id must do as a batch's custom id."""
        given = list(items)
        unfit = [verdict for item in given if (verdict := self._unfit(item))]
        wanted = {item.id: item for item in given}
        for verdict in unfit:
            del wanted[verdict.item_id]
        if unfit:
            yield unfit
        for note in self._journal.open(self._id):
            if wanted.keys() & set(note.keys) and (known := self._known(note)):
                yield from self._results(known, wanted)
        for _ in range(ROUNDS):
            left = list(wanted.values())
            chunks = [left[start : start + ITEMS] for start in range(0, len(left), ITEMS)]
            for note in [self._create(chunk) for chunk in chunks]:
                yield from self._results(note, wanted)
        if wanted:
            yield [self.grader.failed(key, "its batch is gone") for key in wanted]

    def forecast(self, item: Item) -> Forecast:
        """What asking once takes at the batch price, by the number of characters."""
        return self.grader.forecast(item)

    def counted(self, items: Sequence[Item]) -> tuple[list[Forecast], str]:
        """See `judge.protocol.Counting`."""
        return counted(self.grader, self._chat, items)

    def _unfit(self, item: Item) -> Verdict | None:
        """The verdict on an item that cannot be sent: one such would spoil a whole batch."""
        try:
            encode(self._request(item))
        except NoAnswerError as fault:
            return self.grader.failed(item.id, fault.problem)
        return None

    def _known(self, note: Note) -> Note | None:
        """A note with the id of its batch; None when there is no such batch."""
        if not note.batch:
            note = self._found(note) or note
        if not note.batch:
            self._journal.put(structs.replace(note, over=True))
            return None
        return note

    def _create(self, items: Sequence[Item]) -> Note:
        """Create a batch: noted before, and its id noted as soon as it is known."""
        note = Note(secrets.token_hex(8), self._id, [item.id for item in items], time.time())
        self._journal.put(note)
        body = encode({"requests": [self._request(item) for item in items]})
        for failures in count(1):
            try:
                return self._noted(note, self._api.create(body).id)
            except NoAnswerError as fault:
                if fault.refused or fault.status == 413:
                    raise self._service.stops(fault) from fault
                lost = fault
            if found := self._found(note):
                return found
            if failures >= self._service.settings.attempts:
                raise self._service.stops(lost)
            self._service.wait(wait_s(failures, None, self._service.settings.max_wait))
        raise AssertionError

    def _request(self, item: Item) -> dict[str, object]:
        params = self._chat.request(self.grader.messages(item), self.grader.schema)
        return {"custom_id": item.id, "params": params}

    def _found(self, note: Note) -> Note | None:
        """The batch of a create whose answer was lost: as many requests, made since, and not noted."""
        since, known = note.created - SKEW_S, self._journal.batches()
        fitting = [
            batch
            for batch in self._api.listed(since)
            if batch.requests == len(note.keys) and batch.id not in known and batch.time >= since
        ]
        if not fitting:
            return None
        return self._noted(note, min(fitting, key=lambda batch: abs(batch.time - note.created)).id)

    def _noted(self, note: Note, batch: str) -> Note:
        note = structs.replace(note, batch=batch)
        self._journal.put(note)
        return note

    def _results(self, note: Note, wanted: dict[str, Item]) -> Arrivals:
        """Wait for a batch to end, and yield what it says about wanted items: they are wanted no more."""
        whole = set(note.keys) <= wanted.keys()
        try:
            self._api.wait_for(note.batch)
            results = self._api.results(note.batch)
        except NoAnswerError:
            self._journal.put(structs.replace(note, over=True))  # it was deleted, and is made again
            return
        found = self._read(results, note, wanted)
        if found:
            for key in set(note.keys) & wanted.keys():
                del wanted[key]
            yield list(found.values())
        if whole or not found:
            self._journal.put(structs.replace(note, over=True))

    def _read(
        self, results: Sequence[Result | None], note: Note, wanted: dict[str, Item]
    ) -> dict[str, Verdict]:
        """One verdict per wanted item of the batch; none at all when no result is about one of its items."""
        keys = set(note.keys)
        found: dict[str, Verdict] = {}
        ours = False
        for result in results:
            if result is None or result.custom_id not in keys:
                continue
            ours = True
            if result.custom_id in wanted and result.custom_id not in found:
                found[result.custom_id] = self._verdict(result)
        missing = [key for key in note.keys if key in wanted and key not in found]
        lost = {key: self.grader.failed(key, f"batch {note.batch} has no result for it") for key in missing}
        return found | lost if ours or not results else {}

    def _verdict(self, result: Result) -> Verdict:
        outcome = result.result
        if outcome.type == "succeeded" and outcome.message:
            return self.grader.verdict(result.custom_id, read(bytes(outcome.message)))
        raw = msgspec.json.encode(outcome.error).decode() if outcome.error else ""
        return self.grader.failed(
            result.custom_id, f"the batch says '{outcome.type}' {raw[:300]}".strip(), raw
        )
