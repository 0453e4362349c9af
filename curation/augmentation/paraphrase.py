"""Paraphrases of the user's words by a language model: batched, within a budget, each reply paid for once."""

from __future__ import annotations

import math
from collections import Counter
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from curation.augmentation.augment import Augmented, Checks, Proposal, guarded
from curation.augmentation.guards import PARAPHRASE
from curation.augmentation.paraphrase_prompt import SCHEMA, SYSTEM, Ask, message, read
from curation.augmentation.place import AUGMENTED, places
from curation.rows import short_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from curation.augmentation.chat import Chat
    from curation.augmentation.reply_file import ReplyFile
    from curation.augmentation.settings import Paraphrase
    from curation.augmentation.spending import Budget, Spent

BATCH = 8
SILENT = 3
"""Messages in a row without a paraphrase, after which no more is paid for."""
CHARACTERS_PER_TOKEN = 4  # for a forecast only


class Source(NamedTuple):
    """Whom to ask, and within which limits.

    Attributes:
        chat: Whom.
        replies: Replies of earlier runs; new ones are kept there.
        budget: What may be spent.
        spent: What was; is kept up to date.
        tell: Called before each message with their number so far.
    """

    chat: Chat
    replies: ReplyFile
    budget: Budget
    spent: Spent
    tell: Callable[[int], None] = lambda _: None


def paraphrase(rows: pl.DataFrame, step: Paraphrase, source: Source, checks: Checks) -> Augmented:
    """Paraphrases of some rows that pass every guard.

    Args:
        rows: Rows with schema ROWS.
        step: How many, in which styles, and the seed.
        source: Whom to ask, and within which limits.
        checks: What they are checked against; band and cap are those of paraphrases.

    Raises:
        UserError: Every message would fail the same way.
    """
    taken = Counter[str]()
    checks = checks._replace(band=PARAPHRASE, per_parent=step.per_parent)
    proposals = paraphrases(rows, step, source, taken)
    return guarded(rows, proposals, most_children(rows, step), checks, taken)


def paraphrases(
    rows: pl.DataFrame, step: Paraphrase, source: Source, taken: Counter[str] | None = None
) -> Iterator[Proposal]:
    """Proposals in the order of their parents; a message is sent only when its proposals are asked for.

    Args:
        rows: Rows with schema ROWS.
        step: How many, in which styles, and the seed.
        source: Whom to ask, and within which limits.
        taken: Children by parent; a parent that has `step.per_parent` is not asked for again.

    Raises:
        UserError: Every message would fail the same way.
    """
    silent, spent = 0, source.spent
    for asks in _requests(rows, step, Counter() if taken is None else taken):
        texts = _answer(source, message(asks))
        if spent.stopped:
            return
        spent.unread += not texts
        silent = 0 if texts else silent + 1
        if silent == SILENT:
            spent.stopped = f"{SILENT} messages in a row brought no paraphrases"
            return
        for number, (parent, place, style) in enumerate(asks, start=1):
            if number in texts:
                yield Proposal(parent, place, texts[number].strip(), f"paraphrase:{style}")


def _answer(source: Source, user: str) -> dict[int, str]:
    """Paraphrases by number, from the replies that are kept or from the model; none where the budget ends."""
    chat, replies, budget, spent, tell = source
    key = short_hash([chat.id, SYSTEM, user])
    if known := replies.get(key):
        spent.kept += 1
        return read(known.text)
    most = chat.most(SYSTEM, user, SCHEMA)
    spent.stopped = spent.over(budget, chat.cost(*most))
    if spent.stopped:
        return {}
    tell(spent.calls)
    reply = chat.send(SYSTEM, user, SCHEMA)
    spent.count(chat, reply, most)
    if texts := read(reply.text):
        replies.put(key, reply)
    return texts


def forecast(rows: pl.DataFrame, step: Paraphrase, source: Source) -> Spent:
    """What it takes if no paraphrase is refused, added to `source.spent`; asks nobody.

    Tokens are four characters each.
    """
    chat, expected = source.chat, source.spent
    wanted = most_children(rows, step)
    for asks in islice(_requests(rows, step, Counter()), math.ceil(wanted / BATCH)):
        user = message(asks)
        if source.replies.get(short_hash([chat.id, SYSTEM, user])):
            expected.kept += 1
            continue
        expected.stopped = expected.over(source.budget, chat.cost(*chat.most(SYSTEM, user, SCHEMA)))
        if expected.stopped:
            break
        expected.add(
            chat, (len(SYSTEM) + len(user)) // CHARACTERS_PER_TOKEN, len(user) // CHARACTERS_PER_TOKEN
        )
    return expected


def most_children(rows: pl.DataFrame, step: Paraphrase) -> int:
    """How many children there can be: the share that is asked for, within each parent's cap and styles."""
    parents = rows.filter(~pl.col("tags").list.contains(AUGMENTED)).height
    return min(round(step.share * rows.height), min(step.per_parent, len(step.styles)) * parents)


def _requests(rows: pl.DataFrame, step: Paraphrase, taken: Counter[str]) -> Iterator[list[Ask]]:
    """Texts in batches: each parent once, then each that has too few children in another style, and so on."""
    for attempt, found in groupby(places(rows, step.seed, len(step.styles)), key=lambda place: place[0]):
        asks = (
            Ask(row, place, step.styles[(attempt + number) % len(step.styles)])
            for _, number, row, place, _ in found
            if taken[row["id"]] < step.per_parent
        )
        while batch := list(islice(asks, BATCH)):
            yield batch
