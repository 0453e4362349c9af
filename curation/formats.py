"""Rows as other tools want them: what a format cannot hold is said, never left away.

What changes what a row teaches (turns, tool calls, images, what is not trained on) is refused where a format
has no place for it. What is only told of a row (tags, a score, a licence) is counted: see `unheld_fields`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.rows import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

Record = dict[str, Any]

SHAREGPT = {"system": "system", "user": "human", "assistant": "gpt"}
OPENAI_TURN = {"role", "content", "name", "tool_calls", "tool_call_id", "weight"}
OPENAI_ROW = ("tools", "parallel_tool_calls")
CONVERSATIONAL_ROW = ("tools", "chat_template_kwargs")
MEDIA = ("image", "images", "audio", "audios", "video", "videos")
TEACHING = ("tools", "parallel_tool_calls", "chat_template_kwargs", *MEDIA)
"""Fields of a row without which it teaches something else."""


class Unheld(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """What of a row a format has no place for."""


def openai(row: Mapping[str, Any]) -> Record:
    """Chat fine-tuning of OpenAI: `messages` that end with the assistant, with `tools` if there are any."""
    messages = plain(row["messages"])
    _demand_turns(messages, OPENAI_TURN)
    if messages[-1]["role"] != "assistant":
        raise Unheld("a last turn that is not the assistant's")
    for turn in messages:
        _demand_openai(turn)
    return {"messages": messages} | _row_fields(row, OPENAI_ROW)


def _demand_openai(turn: Record) -> None:
    """Refuse what the documented schema of a message refuses."""
    if "weight" in turn and (turn["role"] != "assistant" or turn["weight"] not in {0, 1}):
        raise Unheld("a weight other than 0 or 1 of an assistant's turn")
    if turn["role"] == "tool" and not isinstance(turn.get("tool_call_id"), str):
        raise Unheld("a tool's turn without tool_call_id")
    calls = turn.get("tool_calls") or []
    if not isinstance(calls, list) or not all(map(_is_call, calls)):
        raise Unheld("tool calls other than id, type, and function with a name and arguments as text")


def _is_call(call: object) -> bool:
    if not isinstance(call, dict) or not isinstance(call.get("function"), dict):
        return False
    texts = (call.get("id"), call.get("type"), *(call["function"].get(key) for key in ("name", "arguments")))
    return all(isinstance(text, str) for text in texts)


def conversational(row: Mapping[str, Any]) -> Record:
    """`messages` with all their fields, as TRL and Axolotl read them, and `tools` where the row has them."""
    return {"messages": plain(row["messages"])} | _row_fields(row, CONVERSATIONAL_ROW)


def llama_factory(row: Mapping[str, Any]) -> Record:
    """`messages` of role and content: an optional system message, then user and assistant in turn."""
    messages = plain(row["messages"])
    _demand_turns(messages, {"role", "content"})
    _row_fields(row, ())
    roles = [turn["role"] for turn in messages if turn["role"] != "system"]
    if any(turn["role"] == "system" for turn in messages[1:]):
        raise Unheld("a system message that is not the first")
    if roles != ["user", "assistant"] * (len(roles) // 2) or not roles:
        raise Unheld("turns that are not user and assistant in turn")
    return {"messages": messages}


def sharegpt(row: Mapping[str, Any]) -> Record:
    """`conversations` of `from` (system, human, gpt) and `value`."""
    messages = plain(row["messages"])
    _demand_turns(messages, {"role", "content"})
    _row_fields(row, ())
    if "tool" in {turn["role"] for turn in messages}:
        raise Unheld("a turn of a tool")
    turns = [{"from": SHAREGPT[turn["role"]], "value": turn["content"]} for turn in messages]
    return {"conversations": turns}


def alpaca(row: Mapping[str, Any]) -> Record:
    """`instruction`, `input` and `output`: one question and one answer."""
    asked, said = _pair(row)
    return {"instruction": asked, "input": "", "output": said}


def prompt_completion(row: Mapping[str, Any]) -> Record:
    """`prompt` and `completion`: one question and one answer."""
    asked, said = _pair(row)
    return {"prompt": asked, "completion": said}


FORMATS: dict[str, Callable[[Mapping[str, Any]], Record]] = {
    "openai": openai,
    "trl": conversational,
    "axolotl": conversational,
    "llama-factory": llama_factory,
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "prompt-completion": prompt_completion,
}
"""Formats of one JSON object a line, by name."""


HELD = {"openai": OPENAI_ROW, "trl": CONVERSATIONAL_ROW, "axolotl": CONVERSATIONAL_ROW}
"""Fields of a row that a format has a place for, beside the turns."""


def unheld_fields(row: Mapping[str, Any], form: str) -> list[str]:
    """What is told of a row and has no place in a format: its tags, parents and other fields."""
    own = [name for name in ("tags", "parents") if row[name]]
    return own + [name for name in json.loads(row["meta"]) if name not in HELD.get(form, ())]


def _row_fields(row: Mapping[str, Any], held: Collection[str]) -> Record:
    """The fields of a row that a format holds; one without which it teaches something else is refused."""
    meta = json.loads(row["meta"])
    others = [name for name in TEACHING if meta.get(name) and name not in held]
    if others:
        raise Unheld(f"the field {', '.join(others)}")
    return {name: meta[name] for name in held if name in meta}


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    messages = plain(row["messages"])
    _demand_turns(messages, {"role", "content"})
    _row_fields(row, ())
    if [turn["role"] for turn in messages] != ["user", "assistant"]:
        found = ", ".join(turn["role"] for turn in messages)
        raise Unheld(f"turns other than one question and one answer ({found})")
    return messages[0]["content"], messages[1]["content"]


def _demand_turns(messages: list[Record], known: Collection[str]) -> None:
    others = sorted({key for turn in messages for key in turn} - set(known))
    if others:
        raise Unheld(f"a turn with {', '.join(others)}")
