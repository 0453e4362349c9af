"""Corrections: a better answer proposed for one that scored low, and the screens it must pass."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from judge.text import normalise
from judge.verdict import Item

if TYPE_CHECKING:
    from collections.abc import Sequence

    from judge.verdict import Verdict

Screen = Callable[[Item, str], str | None]
"""Takes the item and the corrected output; gives the reason to reject it, or None."""

ECHO_CHARACTERS = 20
"""A shorter message may well be how a right answer begins."""


class Correction(Struct, frozen=True):
    """A corrected answer. `reason` says why it was rejected; empty when it was not."""

    trace_id: str
    output: str
    author: str
    state: Literal["proposed", "accepted", "rejected"]
    reason: str = ""


def correctable(verdict: Verdict, threshold: float) -> bool:
    """Whether the answer is known to be bad: scored, and below the threshold (0 to 1).

    A verdict that could not be had says nothing about the answer.
    """
    return verdict.state == "scored" and verdict.score is not None and verdict.score < threshold


def from_reference(item: Item, verdict: Verdict, screens: Sequence[Screen]) -> Correction:
    """The item's reference as its correction: accepted when no screen objects, for it is known to be right.

    Args:
        item: The answer that is to be corrected.
        verdict: The verdict on that item.
        screens: Asked in order; the first reason rejects.

    Raises:
        ValueError: The verdict is about another item.
    """
    if verdict.item_id != item.id:
        raise ValueError(f"the verdict is about {verdict.item_id}, not {item.id}")
    output = item.reference or ""
    reason = _unfit(item, verdict) or next(filter(None, (screen(item, output) for screen in screens)), "")
    return Correction(item.id, output, "reference", "rejected" if reason else "accepted", reason)


def _unfit(item: Item, verdict: Verdict) -> str:
    if verdict.state != "scored":
        return f"the verdict is '{verdict.state}': nothing shows that the answer is wrong"
    if item.reference is None:
        return "the item has no reference"
    # not normalised: a line break can be all that is wrong with an answer
    return "says the same" if item.reference.strip() == item.output.strip() else ""


def format_screen(pattern: str = "") -> Screen:
    """A screen for answers that say nothing, repeat the prompt or have the wrong form.

    Args:
        pattern: Regular expression that the whole corrected output, without surrounding white space,
            must match; empty allows any form.
    """
    form = re.compile(pattern)

    def screen(item: Item, output: str) -> str | None:
        if not normalise(output):
            return "is empty"
        if any(_echoes(message["content"], output) for message in item.messages):
            return "echoes the prompt"
        if pattern and not form.fullmatch(output.strip()):
            return f"does not have the form {pattern}"
        return None

    return screen


def _echoes(message: str, output: str) -> bool:
    said, answer = normalise(message), normalise(output)
    return said == answer or (len(said) >= ECHO_CHARACTERS and answer.startswith(said))
