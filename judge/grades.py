"""Reads what a language model said into grades: the whole text is one valid object, or there is no score."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from judge.rubric import Grade, Rubric, grade_faults
from judge.strict import strict_json
from judge.verdict import Verdict

if TYPE_CHECKING:
    from judge.chat import Completion
    from judge.verdict import State

_FENCE = re.compile(r"\s*```(?:json)?[ \t]*\n(.*?)\n?[ \t]*```\s*", re.DOTALL | re.IGNORECASE)
_THOUGHTS = re.compile(r"\s*+(?![{`]).*?</think>", re.DOTALL)  # some endpoints keep the opening tag


class _Grades(Struct, forbid_unknown_fields=True):
    feedback: str
    grades: dict[str, Grade]


Opinion = tuple["State", str, dict[str, float]]
"""State, feedback, and score (0 to 1) per criterion: empty unless scored."""


def opinion(completion: Completion, rubric: Rubric) -> Opinion:
    """What a completion amounts to.

    Why it ended is looked at before what it says: a refused or cut answer has no grades to read.
    """
    if completion.ended == "refused":
        return "refused", completion.problem or "the judge declined", {}
    if completion.ended == "cut":
        return "truncated", "the reply was cut off", {}
    if completion.problem:
        return "unparsable", completion.problem, {}
    if completion.ended == "unclear":
        return "unparsable", f"the reply stopped for '{completion.stop_reason}'", {}
    return read_grades(completion.text, rubric)


def read_grades(text: str, rubric: Rubric) -> Opinion:
    """The grades in a text that is one JSON object, in a code fence or not, and nothing else.

    Thoughts that an endpoint leaves before the answer are passed over. An object inside prose is not
    looked for: it could be the candidate's own, quoted by the judge.
    """
    thought = _THOUGHTS.match(text)
    text = text[thought.end() :] if thought else text
    fenced = _FENCE.fullmatch(text)
    try:
        reply = msgspec.convert(strict_json(fenced[1] if fenced else text), _Grades)
    except (ValueError, RecursionError) as fault:
        return "unparsable", f"the reply is not the JSON that was asked for: {fault}", {}
    if not reply.feedback.strip():
        return "unparsable", "the reply gives no reason for its grades", {}
    if faults := grade_faults(rubric, reply.grades):
        return "unparsable", f"the grades are not valid: {'; '.join(faults)}", {}
    return "scored", reply.feedback, {c.name: c.scores()[reply.grades[c.name]] for c in rubric.criteria}


def scored(item_id: str, judge_id: str, found: Opinion, rubric: Rubric) -> Verdict:
    """The verdict of an opinion, without what the reply took."""
    state, feedback, criteria = found
    score = rubric.weighted(criteria) if state == "scored" else None
    return Verdict(item_id, judge_id, 0, state, score, criteria, feedback)
