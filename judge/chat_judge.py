"""The language model judge: asks a chat for grades by a rubric, one item at a time, several at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge.counting import counted
from judge.grader import Grader
from judge.probe import PROBE, Probe
from judge.side_by_side import side_by_side
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from judge.chat import Completion
    from judge.messages_api import MessagesChat
    from judge.openai_api import OpenAIChat
    from judge.prices import Prices
    from judge.protocol import Arrivals, Forecast
    from judge.rubric import Rubric
    from judge.verdict import Item, Verdict


class ChatJudge:
    """Asks a model for one grade per criterion.

    Args:
        kind: What its id begins with.
        rubric: What to grade by.
        chat: The model.
        prices: Price table.
    """

    def __init__(self, kind: str, rubric: Rubric, chat: MessagesChat | OpenAIChat, prices: Prices) -> None:
        self.grader = Grader(kind, chat.model, rubric, prices, chat.settings)
        self.identity = self.grader.identity
        self._chat = chat
        self._probe = Probe(lambda: self._send(PROBE))

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`."""
        return side_by_side(self.judge, items, self._chat.concurrency, self._chat.stop)

    def forecast(self, item: Item) -> Forecast:
        """What asking once takes, by the number of characters; without caching and without retries."""
        return self.grader.forecast(item)

    def counted(self, items: Sequence[Item]) -> tuple[list[Forecast], str]:
        """See `judge.protocol.Counting`."""
        return counted(self.grader, self._chat, items)

    def judge(self, item: Item) -> Verdict:
        """The verdict on one item.

        Raises:
            UserError: The service refuses everything it is asked, not this item alone.
        """
        try:
            completion = self._send(item)
        except NoAnswerError as fault:
            if self._probe.refuses_everything(fault):
                raise self._chat.service.stops(fault) from fault
            return self.grader.failed(item.id, fault.problem, fault.raw)
        return self.grader.verdict(item.id, completion)

    def _send(self, item: Item) -> Completion:
        return self._chat.send(self.grader.messages(item), self.grader.schema)
