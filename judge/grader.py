"""A rubric before a language model: what it is asked about an item, and the verdict its answer amounts to."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from judge.envelope import fingerprint, reply_schema, system_text, user_text
from judge.grades import opinion, scored
from judge.identity import Identity
from judge.prices import Prices, Tokens, cost
from judge.protocol import Forecast
from judge.verdict import Verdict

if TYPE_CHECKING:
    from judge.chat import Completion, Message
    from judge.rubric import Rubric
    from judge.verdict import Item

TYPICAL_OUTPUT_TOKENS = 400
MOST_TOKENS = 10**9
ROOM = 500
"""Tokens that a service adds for roles and the schema, at most."""


class Grader:
    """Turns items into messages and completions into verdicts.

    Args:
        kind: Kind of judge.
        model: Name of the model.
        rubric: What to grade by.
        prices: Price table; a model that is not in it has verdicts of unknown cost.
        settings: What else decides the model's answers; `max_tokens` among it.
        batch: Whether the batch price holds.
    """

    def __init__(
        self,
        kind: str,
        model: str,
        rubric: Rubric,
        prices: Prices,
        settings: dict[str, Any],
        *,
        batch: bool = False,
    ) -> None:
        self.rubric = rubric
        self.schema = reply_schema(rubric)
        prompt = hashlib.sha256(fingerprint(rubric)).hexdigest()
        content = msgspec.to_builtins(rubric)
        self.identity = Identity(kind, model, rubric.name, rubric.version, content, prompt, settings)
        self._id = self.identity.id
        self._system = system_text(rubric)
        self._model, self._prices, self._batch = model, prices, batch
        self._most_written: int = settings["max_tokens"]

    def messages(self, item: Item) -> list[Message]:
        """What the model is told: instructions and rubric, then the item as data."""
        return [{"role": "system", "content": self._system}, {"role": "user", "content": user_text(item)}]

    def verdict(self, item_id: str, completion: Completion) -> Verdict:
        """The verdict that a completion amounts to."""
        verdict = scored(item_id, self._id, opinion(completion, self.rubric), self.rubric)
        tokens = completion.tokens
        if tokens and not all(0 <= count <= MOST_TOKENS for count in tokens):
            tokens = None  # nonsense: what it took is not known
        return structs.replace(
            verdict,
            raw=completion.raw,
            stop_reason=completion.stop_reason,
            input_tokens=tokens.read if tokens else 0,
            output_tokens=tokens.output if tokens else 0,
            cached_tokens=tokens.cached if tokens else 0,
            cost=self._cost(tokens) if tokens else None,
        )

    def failed(self, item_id: str, problem: str, raw: str = "") -> Verdict:
        """The verdict where no answer could be had."""
        return Verdict(item_id, self._id, 0, "failed", feedback=problem, raw=raw)

    def forecast(self, item: Item, read: int | None = None) -> Forecast:
        """What asking once takes, without caching; `read` is the number of tokens where it was counted.

        A token is at least a byte of UTF-8, which bounds what an item can take.
        """
        text = self._system + user_text(item)
        read = estimated_tokens(text) if read is None else read
        most = len(text.encode("utf-8", errors="replace")) + ROOM
        dearest = [Tokens(most, self._most_written), Tokens(0, self._most_written, cache_write=most)]
        costs = [cost for tokens in dearest if (cost := self._cost(tokens)) is not None]
        return Forecast(
            read,
            TYPICAL_OUTPUT_TOKENS,
            self._cost(Tokens(read, TYPICAL_OUTPUT_TOKENS)),
            most + self._most_written,
            max(costs, default=None),
        )

    def _cost(self, tokens: Tokens) -> float | None:
        return cost(self._prices, self._model, tokens, batch=self._batch)


def estimated_tokens(text: str) -> int:
    """Tokens of a text by rule of thumb: four ASCII characters, or one and a half others, to a token."""
    other = sum(not char.isascii() for char in text)
    return round((len(text) - other) / 4 + other / 1.5)
