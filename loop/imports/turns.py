"""Turns of a conversation in the forms that logs have, as role, content and what else a turn holds."""

from __future__ import annotations

import json
from typing import Any

from loop.imports.event import Unreadable
from loop.imports.fields import decoded

TEXT = {"text", "input_text", "output_text", "reasoning"}


def turns(value: Any, role: str = "user") -> list[dict[str, Any]]:  # noqa: ANN401  (whatever a log holds)
    """A prompt as turns.

    Args:
        value: Text, one turn, a list of turns, an object with `messages`, or the JSON of any of these.
        role: Of what has none.

    Raises:
        Unreadable: It is none of these.
    """
    value = decoded(value)
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        return turns(value["messages"], role)
    if isinstance(value, list):
        return [turn(entry, role) for entry in value]
    return [turn(value, role)]


def turn(value: Any, role: str = "user") -> dict[str, Any]:  # noqa: ANN401
    """One turn; its `content` is text, and parts that are no text stay beside it as `parts`.

    Raises:
        Unreadable: It is neither text nor an object.
    """
    if isinstance(value, str | int | float):
        return {"role": role, "content": str(value)}
    if not isinstance(value, dict):
        raise Unreadable(f"a turn is text or an object, not {json.dumps(value)[:50]}")
    if not {"content", "parts", "tool_calls"} & value.keys():
        return {"role": str(value.get("role") or role), "content": json.dumps(value, ensure_ascii=False)}
    content, others = _content(value.get("parts", value.get("content")))
    kept = {k: v for k, v in value.items() if k not in {"role", "content", "parts", "finish_reason"} and v}
    if others:
        kept["parts"] = others
    return {"role": str(value.get("role") or role), "content": content, **kept}


def said(answer: dict[str, Any]) -> str:
    """What an answering turn says: its text, or the JSON of its tool calls where it has no text."""
    if answer["content"]:
        return str(answer["content"])
    calls = answer.get("tool_calls") or answer.get("parts")
    return json.dumps({"tool_calls": calls}, ensure_ascii=False) if calls else ""


def unsaid(answer: dict[str, Any]) -> list[str]:
    """Paths of what an answering turn holds beside what `said` gives."""
    given = {"role", "content", "finish_reason"} | (set() if answer["content"] else {"tool_calls"})
    if not answer["content"] and not answer.get("tool_calls"):
        given.add("parts")
    return [f"answer.{key}" for key, value in answer.items() if key not in given and value]


def _content(value: Any) -> tuple[str, list[Any]]:  # noqa: ANN401
    """Text of a content, and the parts that are no text."""
    if value is None:
        return "", []
    if not isinstance(value, list):
        return (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)), []
    texts = [_text(part) for part in value]
    return "\n".join(t for t in texts if t is not None), [
        p for p, t in zip(value, texts, strict=True) if t is None
    ]


def _text(part: Any) -> str | None:  # noqa: ANN401
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and part.get("type", "text") in TEXT:
        found = part.get("content", part.get("text"))
        return found if isinstance(found, str) else None
    return None
