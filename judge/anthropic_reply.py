"""Reads a reply of the Messages API into a verdict: any bytes in, a state out, never an exception."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from judge.prices import Prices, Tokens, cost
from judge.rubric import Grade, Rubric, grade_faults
from judge.verdict import Verdict

if TYPE_CHECKING:
    from judge.verdict import State


class Grader(Struct, frozen=True):
    """What reading a reply takes: the rubric that was asked, the judge's id, the model and the prices."""

    rubric: Rubric
    judge_id: str
    model: str
    prices: Prices


class _Block(Struct):
    type: str
    text: str = ""


class _Usage(Struct):
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None

    def tokens(self) -> Tokens:
        written, read = self.cache_creation_input_tokens or 0, self.cache_read_input_tokens or 0
        return Tokens(self.input_tokens, self.output_tokens, written, read)


class _StopDetails(Struct):
    category: str | None = None


class _Message(Struct):
    """The fields that matter. All may be missing: a proxy can answer 200 with anything."""

    content: list[_Block] | None = None
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: _Usage | None = None


class _Grades(Struct, forbid_unknown_fields=True):
    feedback: str
    grades: dict[str, Grade]


def read_reply(body: bytes, item_id: str, grader: Grader) -> Verdict:
    """The verdict that a reply with status 200 amounts to.

    Why the reply ended is looked at before what it says: a refused or cut reply has no grades to read.

    Args:
        body: The reply's body.
        item_id: Id of the item that was judged.
        grader: What was asked, of whom.
    """
    try:
        message = msgspec.json.decode(body, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raw = body.decode("utf-8", errors="replace")
        return Verdict(item_id, grader.judge_id, 0, "unparsable", feedback=f"not a message: {error}", raw=raw)
    text = "".join(block.text for block in message.content or [] if block.type == "text")
    state, feedback, criteria = _opinion(message, text, grader.rubric)
    tokens = message.usage.tokens() if message.usage else Tokens(0, 0)
    return Verdict(
        item_id,
        grader.judge_id,
        0,
        state,
        score=grader.rubric.weighted(criteria) if state == "scored" else None,
        criteria=criteria,
        feedback=feedback,
        raw=text or body.decode("utf-8", errors="replace"),
        stop_reason=message.stop_reason or "",
        input_tokens=tokens.read,
        output_tokens=tokens.output,
        cost=cost(grader.prices, grader.model, tokens) if message.usage else None,
    )


def _opinion(message: _Message, text: str, rubric: Rubric) -> tuple[State, str, dict[str, float]]:
    """State, feedback and score per criterion of a message whose text is `text`."""
    match message.stop_reason:
        case "refusal":
            category = message.stop_details and message.stop_details.category
            return "refused", f"the judge declined ({category or 'no category'})", {}
        case "max_tokens" | "model_context_window_exceeded":
            return "truncated", "the reply was cut off", {}
        case "end_turn" | "stop_sequence":
            return _grades(text, rubric)
    return "unparsable", f"the reply stopped for '{message.stop_reason}'", {}


def _grades(text: str, rubric: Rubric) -> tuple[State, str, dict[str, float]]:
    try:
        reply = msgspec.json.decode(text, type=_Grades)
    except (msgspec.DecodeError, RecursionError) as error:
        return "unparsable", f"the reply is not the JSON that was asked for: {error}", {}
    if faults := grade_faults(rubric, reply.grades):
        return "unparsable", f"the grades are not valid: {'; '.join(faults)}", {}
    return "scored", reply.feedback, {c.name: c.scores()[reply.grades[c.name]] for c in rubric.criteria}
