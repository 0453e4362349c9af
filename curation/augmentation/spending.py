"""What asking a language model has taken, and what it may take: a limit is never passed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from curation.augmentation.chat import Chat, Reply


class Budget(NamedTuple):
    """What may be spent at most; None is without a limit."""

    calls: int | None = None
    cost: float | None = None


@dataclass
class Spent:
    """What was spent.

    Attributes:
        calls: Messages that were sent.
        kept: Replies that an earlier run had paid for.
        unread: Replies without a paraphrase that can be read.
        judged: Verdicts on children that a judge was asked for.
        input_tokens: Tokens read, for paraphrases.
        output_tokens: Tokens written, for paraphrases.
        cost: US dollars, the judge's among them; None where a price is not known.
        stopped: Why no more was asked, empty where nothing stood in the way.
    """

    calls: int = 0
    kept: int = 0
    unread: int = 0
    judged: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = 0.0
    stopped: str = ""

    def count(self, chat: Chat, reply: Reply, most: tuple[int, int]) -> None:
        """Add a reply; one with a text that does not say what it took, took what it may at most."""
        known = reply.input_tokens > 0 and reply.output_tokens > 0
        read, written = (reply.input_tokens, reply.output_tokens) if known or not reply.text else most
        self.add(chat, max(0, read), max(0, written))

    def add(self, chat: Chat, read: int, written: int) -> None:
        """Add one call and its tokens."""
        cost = chat.cost(read, written)
        self.calls += 1
        self.input_tokens += read
        self.output_tokens += written
        self.cost = None if cost is None or self.cost is None else self.cost + cost

    def over(self, budget: Budget, cost: float | None) -> str:
        """Why a call that costs this much at most would go over the budget; empty where it would not."""
        if budget.calls is not None and self.calls >= budget.calls:
            return "budget of calls spent"
        if budget.cost is not None and cost is not None and (self.cost or 0.0) + cost > budget.cost:
            return "budget of cost spent"
        return ""
