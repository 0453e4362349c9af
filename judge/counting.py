"""What a run would take, with tokens counted by the service where it counts for nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from judge.messages_api import MessagesChat
from judge.wire import NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.chat import Chat
    from judge.grader import Grader
    from judge.protocol import Forecast
    from judge.verdict import Item

SAMPLE = 100
"""So many items are counted, spread evenly; the others are taken to be like them."""


def counted(grader: Grader, chat: Chat, items: Sequence[Item]) -> tuple[list[Forecast], str]:
    """A forecast for each item, and how its tokens are known.

    Raises:
        UserError: The key or the model is refused, as it would be in the run.
    """
    estimates = [grader.forecast(item) for item in items]
    if not isinstance(chat, MessagesChat) or not items:
        return estimates, "estimated"
    step = max(1, len(items) // SAMPLE)
    places = list(range(0, len(items), step))[:SAMPLE]
    try:
        counts = [chat.count(grader.messages(items[i]), grader.schema) for i in places]
    except NoAnswerError:
        return estimates, "estimated"
    ratio = sum(counts) / max(1, sum(estimates[i].read for i in places))
    known = dict(zip(places, counts, strict=True))
    told = [known.get(i, round(estimates[i].read * ratio)) for i in range(len(items))]
    how = "counted" if len(places) == len(items) else f"counted on {len(places)} of {len(items)}"
    return [grader.forecast(item, read) for item, read in zip(items, told, strict=True)], how
