"""The local judge: a model in this process, through a generation function that is handed in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from judge.chat import Completion, Message
from judge.grader import Grader
from judge.prices import Price, price_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from judge.protocol import Arrivals, Forecast
    from judge.rubric import Rubric
    from judge.verdict import Item, Verdict

Generate = Callable[[Sequence[Sequence[Message]]], Sequence[Completion | None]]
"""Answers many conversations, in their order; None where one does not fit the model."""


class LocalJudge:
    """Asks a model for one grade per criterion, in batches.

    Args:
        rubric: What to grade by.
        model: Its name, or whatever tells its weights apart.
        generate: Answers conversations.
        max_tokens: The most that an answer has.
        batch_size: Conversations handed over at once.
    """

    def __init__(
        self, rubric: Rubric, model: str, generate: Generate, max_tokens: int, batch_size: int
    ) -> None:
        free = price_table([Price(model, 0.0, 0.0)])
        self.grader = Grader("local", model, rubric, free, {"max_tokens": max_tokens})
        self.identity = self.grader.identity
        self._generate, self._batch_size = generate, batch_size

    def verdicts(self, items: Iterable[Item]) -> Arrivals:
        """Judge the items; see `judge.protocol.Judge`."""
        source = iter(items)
        while batch := list(islice(source, self._batch_size)):
            completions = self._generate([self.grader.messages(item) for item in batch])
            yield [self._verdict(*pair) for pair in zip(batch, completions, strict=True)]

    def _verdict(self, item: Item, completion: Completion | None) -> Verdict:
        if completion is None:
            return self.grader.failed(item.id, "the item does not fit the judge's context")
        return self.grader.verdict(item.id, completion)

    def forecast(self, item: Item) -> Forecast:
        """Tokens by the number of characters, and no cost."""
        return self.grader.forecast(item)
