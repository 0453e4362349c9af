"""Turns of a conversation in the forms that logs have, as role, content and what else a turn holds."""

from __future__ import annotations

import json
from typing import Any

from loop.imports.event import Unreadable
from loop.imports.fields import decoded

TEXT = {"text", "input_text", "output_text"}
THOUGHT = {"reasoning", "thinking", "redacted_thinking", "reasoning_text", "summary_text"}
"""Parts that the model thought, and did not say."""
SPOKEN = {"content", "parts", "tool_calls", "function_call", "refusal"}
"""Fields of which a turn has at least one."""


def turns(value: Any, role: str = "user") -> list[dict[str, Any]]:  # noqa: ANN401  (whatever a log holds)
    """A prompt as turns.

    Args:
        value: Text, one turn, a list of turns, an object with `messages`, or the JSON of turns. Any other
            JSON, such as a list of words, is a text.
        role: Of what has none.

    Raises:
        Unreadable: One of the turns is no turn.
    """
    value = conversation(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return turns(value["messages"], role)
    if isinstance(value, list) and (not value or any(map(is_turn, value))):
        return [turn(entry, role) for entry in value]
    return [turn(value, role)]


def asked_text(value: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """As `turns`, of a prompt where a text is a text, whatever it looks like."""
    return [turn(value)] if isinstance(value, str) else turns(value)


def turn(value: Any, role: str = "user") -> dict[str, Any]:  # noqa: ANN401
    """One turn; its `content` is text, and parts that are no text stay beside it as `parts` or `reasoning`.

    Raises:
        Unreadable: It is nothing.
    """
    if isinstance(value, str):
        return {"role": role, "content": value}
    if value is None:
        raise Unreadable("a turn is text or an object, not null")
    if not is_turn(value):
        named = str(value.get("role") or role) if isinstance(value, dict) else role
        return {"role": named, "content": json.dumps(value, ensure_ascii=False)}
    content, others, thoughts = _content(value.get("parts", value.get("content")))
    kept = {k: v for k, v in value.items() if k not in {"role", "content", "parts", "finish_reason"} and v}
    if others:
        kept["parts"] = others
    if thoughts:
        kept["reasoning"] = [*thoughts, *([kept["reasoning"]] if "reasoning" in kept else [])]
    return {"role": str(value.get("role") or role), "content": content, **kept}


def is_turn(value: object) -> bool:
    """Whether a value of JSON is one turn."""
    return isinstance(value, dict) and bool(SPOKEN & value.keys())


def conversation(value: Any) -> Any:  # noqa: ANN401
    """The turns that a text of JSON holds; a text that holds anything else, or any other value, as it is.

    A turn in a text names its role: an answer may be JSON that resembles a turn.
    """
    found = decoded(value)
    if not isinstance(value, str) or found is value:
        return value
    inner = found.get("messages", found) if isinstance(found, dict) else found
    entries = inner if isinstance(inner, list) else [inner]
    spoken = bool(entries) and all(is_turn(entry) and isinstance(entry.get("role"), str) for entry in entries)
    return found if spoken else value


def said(answer: dict[str, Any]) -> str:
    """What an answering turn says: its text, or a refusal, or the JSON of its tool calls."""
    if answer["content"] or isinstance(answer.get("refusal"), str):
        return str(answer["content"] or answer["refusal"])
    calls = answer.get("tool_calls") or answer.get("parts")
    return json.dumps({"tool_calls": calls}, ensure_ascii=False) if calls else ""


def unsaid(answer: dict[str, Any]) -> list[str]:
    """Paths of what an answering turn holds beside what `said` gives."""
    given = {"role", "content", "finish_reason"}
    if not answer["content"]:
        others = [name for name in ("refusal", "tool_calls", "parts") if answer.get(name)]
        given |= set(others[:1])
    return [f"answer.{key}" for key, value in answer.items() if key not in given and value]


def _content(value: Any) -> tuple[str, list[Any], list[Any]]:  # noqa: ANN401
    """Text of a content, the parts that are no text, and those that are thoughts."""
    if value is None:
        return "", [], []
    if not isinstance(value, list):
        return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)), [], []
    thoughts = [part for part in value if _thought(part)]
    spoken = [part for part in value if not _thought(part)]
    texts = [_text(part) for part in spoken]
    others = [part for part, text in zip(spoken, texts, strict=True) if text is None]
    return "\n".join(text for text in texts if text is not None), others, thoughts


def _thought(part: Any) -> bool:  # noqa: ANN401
    return isinstance(part, dict) and part.get("type") in THOUGHT


def _text(part: Any) -> str | None:  # noqa: ANN401
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type", "text") in TEXT:
        found = part.get("content", part.get("text"))
        return found if isinstance(found, str) else None
    return None
