"""Answers of the OpenAI API in their forms, each as a chat completion: whole, in chunks, or a response."""

from __future__ import annotations

from typing import Any

from loop.imports.event import Unreadable

CHUNK = "chat.completion.chunk"


def completion(answer: Any) -> dict[str, Any]:  # noqa: ANN401  (whatever a log holds)
    """A chat completion, `choices` and what stands beside them; empty where there is no answer.

    Args:
        answer: A completion, one chunk of a stream or all of them, or an object of the Responses API.

    Raises:
        Unreadable: It is something else.
    """
    if isinstance(answer, list) and all(isinstance(chunk, dict) for chunk in answer):
        return _joined(answer)
    if not isinstance(answer, dict):
        raise Unreadable("the response is no object")
    if answer.get("object") == CHUNK:
        return _joined([answer])
    return _of_response(answer) if isinstance(answer.get("output"), list) else answer


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the chunks of a stream make."""
    whole: dict[str, Any] = {}
    messages: dict[int, dict[str, Any]] = {}
    reasons: dict[int, Any] = {}
    for chunk in chunks:
        whole |= {k: v for k, v in chunk.items() if k != "choices" and v is not None}
        for choice in chunk.get("choices") or []:
            place = choice.get("index") or 0
            _add(messages.setdefault(place, {}), choice.get("delta") or choice.get("message") or {})
            reasons[place] = choice.get("finish_reason") or reasons.get(place)
    choices = [{"index": n, "message": messages[n], "finish_reason": reasons[n]} for n in sorted(messages)]
    return whole | {"choices": choices}


def _add(message: dict[str, Any], delta: dict[str, Any]) -> None:
    """Add what a chunk says: texts are continued, calls of tools by their number."""
    for key, value in delta.items():
        if key == "tool_calls":
            calls = message.setdefault(key, [])
            for call in value or []:
                place = call.get("index", len(calls))
                calls += [{} for _ in range(len(calls), min(place, len(calls)) + 1)]
                _add_call(calls[min(place, len(calls) - 1)], call)
        elif isinstance(value, str) and key != "role":
            message[key] = (message.get(key) or "") + value
        elif value is not None:
            message[key] = value


def _add_call(call: dict[str, Any], delta: dict[str, Any]) -> None:
    told = {k: v for k, v in delta.items() if k not in {"index", "function"} and v is not None}
    call |= told
    function = call.setdefault("function", {})
    for key, value in (delta.get("function") or {}).items():
        function[key] = (function.get(key) or "") + value if isinstance(value, str) else value


def _of_response(answer: dict[str, Any]) -> dict[str, Any]:
    """The completion that an object of the Responses API says: its messages, calls of tools and thoughts."""
    items = [item for item in answer["output"] if isinstance(item, dict)]
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or []]
    calls = [_call(item) for item in items if item.get("type") == "function_call"]
    read = {"message", "function_call"}
    others = [item for item in items if item.get("type") not in read]
    ended = answer.get("incomplete_details") or {}
    reason = ended.get("reason") if isinstance(ended, dict) else None
    message = {"role": "assistant", "content": [*parts, *others], "tool_calls": calls}
    beside = {k: v for k, v in answer.items() if k not in {"output", "incomplete_details", "created_at"}}
    beside["created"] = answer.get("created_at")
    choice = {"index": 0, "message": message, "finish_reason": reason or answer.get("status")}
    return beside | {"choices": [choice] if items else []}


def _call(item: dict[str, Any]) -> dict[str, Any]:
    function = {"name": item.get("name"), "arguments": item.get("arguments")}
    return {"id": item.get("call_id"), "type": "function", "function": function}
