"""A datapoint for judges that are not ours (HTTP servers, plug-ins), and what they answer."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

from judge.verdict import Verdict

if TYPE_CHECKING:
    from judge.grades import Opinion
    from judge.verdict import Item

REASONS = ("reason", "feedback", "reasoning", "explanation")


def datapoint(item: Item, model: str) -> dict[str, Any]:
    """What such a judge is given: `messages`, `prediction`, `reference` (or null), and `model`.

    Args:
        item: What to judge.
        model: Name of the model that the judge should use, or of whatever it is set up to tell apart.
    """
    return {
        "messages": [dict(message) for message in item.messages],
        "prediction": item.output,
        "reference": item.reference,
        "model": model,
    }


def read_answer(answer: object) -> Opinion:
    """The opinion in an answer: `{"score": 0 to 1, "reason": "…"}`; `"score": null` declines.

    A number in a string, outside the scale, or true is no score, and neither is one without a reason.
    """
    if not isinstance(answer, dict):
        return "unparsable", f"the answer is {type(answer).__name__}, not an object", {}
    score = answer.get("score")
    given = (answer.get(name) for name in REASONS)
    reason = next((text for text in given if isinstance(text, str) and text.strip()), None)
    if "score" in answer and score is None:
        return "refused", reason or "the judge declined", {}
    if isinstance(score, bool) or not isinstance(score, Real):
        return "unparsable", f"the score is {score!r}, not a number", {}
    if not 0 <= score <= 1:  # type: ignore[operator]  # numbers.Real has no types
        return "unparsable", f"the score is {str(score)[:40]}, not from 0 to 1", {}
    if reason is None:
        return "unparsable", "the answer gives no reason for its score", {}
    return "scored", reason, {"score": float(score)}


def verdict_of(item_id: str, judge_id: str, answer: object) -> Verdict:
    """The verdict in the answer of such a judge."""
    state, feedback, criteria = read_answer(answer)
    return Verdict(item_id, judge_id, 0, state, criteria.get("score"), feedback=feedback)
