"""The verdict: what a judge said about one answer, or the state that says why it said nothing."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime  # noqa: TC003  (msgspec reads the annotation)
from typing import Literal

import msgspec
from msgspec import Struct, structs

State = Literal["scored", "unparsable", "refused", "truncated", "failed"]
"""scored: there is a score. unparsable: a reply came that says no valid grades. refused: the judge
declined. truncated: the reply was cut off. failed: no reply came, or there was nothing to judge by."""


class Item(Struct, frozen=True):
    """An answer to judge: `messages` ({role, content}) are the prompt, `output` answers them.

    `id` is the trace's; `reference` is a right answer, where there is one.
    """

    id: str
    messages: list[dict[str, str]]
    output: str
    reference: str | None = None


class Verdict(Struct, frozen=True):
    """One judge's opinion of one item.

    Attributes:
        item_id: Id of the item.
        judge_id: Judge, model, rubric and prompt that gave it; scores compare only within one id.
        repeat: Number of the asking, from 0, where an item is asked more than once.
        state: Whether there is a score, and why not.
        score: 0 to 1 when scored, None in every other state.
        criteria: Score (0 to 1) per criterion when scored, else empty.
        feedback: What the judge says, or what went wrong.
        raw: The reply as it came, so that a verdict can be read again.
        stop_reason: Why the judge's reply ended, in the service's words; empty when there was none.
        input_tokens: Tokens read, cached ones included.
        output_tokens: Tokens written.
        cost: US dollars; None when unknown.
        cached_tokens: Tokens read from the service's prompt cache.
        time: When the verdict arrived (UTC, without a zone); None before it is kept.

    Raises:
        ValueError: A score in a state other than scored, or scored without a score in 0 to 1.
    """

    item_id: str
    judge_id: str
    repeat: int
    state: State
    score: float | None = None
    criteria: dict[str, float] = {}
    feedback: str = ""
    raw: str = ""
    stop_reason: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    cached_tokens: int = 0
    time: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("feedback", "raw", "stop_reason"):
            text = getattr(self, name)
            if not text.isascii():  # half a character can be neither written nor stored
                whole = text.encode("utf-8", "backslashreplace").decode()
                structs.force_setattr(self, name, whole)
        if self.state != "scored":
            if self.score is not None or self.criteria:
                raise ValueError(f"a verdict in state '{self.state}' has no score")
        elif self.score is None or not all(map(_in_range, (self.score, *self.criteria.values()))):
            raise ValueError(f"a scored verdict has scores from 0 to 1, not {self.score} and {self.criteria}")


def _in_range(score: float) -> bool:
    return math.isfinite(score) and 0 <= score <= 1


_as_json = msgspec.json.Encoder(order="sorted").encode


def content_key(item: Item, judge_id: str, repeat: int) -> str:
    """SHA-256 (64 hexadecimal digits) of what is judged and who judges: the key of a cached verdict.

    The item's id is left out: the same answer to the same prompt need not be paid for twice.
    """
    content = [item.messages, item.output, item.reference, judge_id, repeat]
    try:
        text = _as_json(content)
    except UnicodeEncodeError:  # half a character
        text = json.dumps(content, sort_keys=True).encode("ascii")
    return hashlib.sha256(text).hexdigest()
