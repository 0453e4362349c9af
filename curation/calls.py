"""What a turn calls, as words: the names and arguments of tool calls are part of what an assistant says."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

from curation.text import WORDS, whole, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from curation.rows import Message

FIELDS = ("tool_calls", "function_call")
"""The fields of a turn that have calls: those of today's chats, and the one call of older ones."""

HINT = "_call"
"""What the other fields of every turn with calls hold."""


def with_calls(messages: Sequence[Message]) -> list[Message]:
    """Messages whose content also has what they call."""
    return [{**m, "content": said(m["content"], m.get("extra"))} for m in messages]


def said(content: str | None, extra: str | None) -> str:
    """A turn's content and what it calls, from its other fields (JSON, or None)."""
    called = _called(json.loads(extra)) if extra and HINT in extra else ""
    return "\n".join(part for part in (content, called) if part)


def _called(fields: dict[str, Any]) -> str:
    """One line for each call: `tool_call`, its name, and its arguments, keys in order of the alphabet."""
    listed = [value if isinstance(value, list) else [value] for f in FIELDS if (value := fields.get(f))]
    return "\n".join(" ".join(["tool_call", *_call(call)]) for calls in listed for call in calls)


def _call(call: Any) -> Iterator[str]:  # noqa: ANN401  (whatever the file has)
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict) or "name" not in function:
        return _values(function)
    # The id of a call is another one in every row, so it says nothing.
    return _values([function["name"], _arguments(function.get("arguments"))])


def _arguments(value: Any) -> Any:  # noqa: ANN401  (whatever JSON can say)
    """The arguments, which most chats have as JSON in a string; as they are where they are no JSON."""
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _values(value: Any) -> Iterator[str]:  # noqa: ANN401  (whatever JSON can say)
    """Keys and values in their order, as words."""
    match value:
        case dict() if value:
            for key in sorted(value):
                yield _word(key)
                yield from _values(value[key])
        case list() if value:
            for entry in value:
                yield from _values(entry)
        case str() if value:
            yield _word(value)
        case _:
            yield _word(json.dumps(value))


def _word(value: str) -> str:
    """A value as text; where it is shorter than a shingle, its signs by name, so that `-5` is not `5`."""
    found = words(value)
    if len(found) >= WORDS or whole(value) == " ".join(found):
        return value
    return "".join(c if c.isalnum() or c.isspace() or c == "_" else f"_{_name(c)}_" for c in value)


def _name(sign: str) -> str:
    return unicodedata.name(sign, f"{ord(sign):x}").lower().replace(" ", "_").replace("-", "_")
