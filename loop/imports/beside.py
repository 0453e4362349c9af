"""What stands beside the texts of a call in logs of one's own: ids, times, users, ratings, sampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loop.imports.event import Label
from loop.imports.fields import as_number

if TYPE_CHECKING:
    from loop.imports.fields import Fields

SAMPLING = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "seed",
    "stop",
    "n",
    "frequency_penalty",
    "presence_penalty",
)
IDS = ("id", "event_id", "trace_id", "request_id")
TIMES = ("time", "timestamp", "created_at", "created", "start_time")
USERS = ("user_id", "user", "userId", "metadata.user_id")
CONVERSATIONS = (
    "conversation_id",
    "session_id",
    "sessionId",
    "thread_id",
    "metadata.conversation_id",
    "metadata.session_id",
)
RATINGS = ("rating", "feedback.rating", "feedback.score", "user_rating", "thumbs")
COMMENTS = ("feedback.comment", "feedback.text", "comment")
THUMBS = {"up": 1.0, "down": 0.0, "positive": 1.0, "negative": 0.0, "like": 1.0, "dislike": 0.0, "true": 1.0}
THUMBS |= {"false": 0.0}


def latency(fields: Fields) -> float | None:
    """Seconds, from a field in seconds or in milliseconds."""
    seconds, milliseconds = fields.number("latency", "latency_s"), fields.number("latency_ms")
    return seconds if seconds is not None or milliseconds is None else milliseconds / 1000


def sampling(fields: Fields) -> dict[str, Any]:
    """How the answer was sampled."""
    found = {name: fields.take(name) for name in SAMPLING}
    return {name: value for name, value in found.items() if value is not None}


def labels(fields: Fields, event: str) -> list[Label]:
    """The rating and the comment of the user, as one label."""
    rating, comment = fields.take(*RATINGS, "feedback", reads=_rating), fields.text(*COMMENTS)
    if rating is None and comment is None:
        return []
    word = None if rating is None else str(rating).lower()
    score = THUMBS.get(word or "", as_number(rating))
    label = str(rating) if isinstance(rating, bool) or (isinstance(rating, str) and score is None) else None
    label = str(rating) if word in THUMBS else label
    return [Label(name="rating", event=event, score=score, label=label, comment=comment, key=event)]


def _rating(value: object) -> object:
    """A word or a number that a float holds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return as_number(value)
    return value if isinstance(value, str | bool) and value != "" else None
