"""Rows as other tools want them: what a format cannot hold is said, never left away."""

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


class Unheld(Exception):  # noqa: N818  (a reason that travels a few lines, not an error of the program)
    """What of a row a format has no place for."""


def openai(row: Mapping[str, Any]) -> Record:
    """Chat fine-tuning of OpenAI: `messages`, with `tools` where the row has them."""
    messages = plain(row["messages"])
    _demand_turns(messages, OPENAI_TURN)
    if not any(turn["role"] == "assistant" for turn in messages):
        raise Unheld("no turn of the assistant")
    meta = json.loads(row["meta"])
    return {"messages": messages} | {key: meta[key] for key in OPENAI_ROW if key in meta}


def conversational(row: Mapping[str, Any]) -> Record:
    """`messages` with all their fields, as TRL and Axolotl read them, and `tools` where the row has them."""
    meta = json.loads(row["meta"])
    return {"messages": plain(row["messages"])} | ({"tools": meta["tools"]} if "tools" in meta else {})


def llama_factory(row: Mapping[str, Any]) -> Record:
    """`messages` of role and content: an optional system message, then user and assistant in turn."""
    messages = plain(row["messages"])
    _demand_turns(messages, {"role", "content"})
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


def about(row: Mapping[str, Any]) -> Record:
    """What a row says beside its messages, by name: where it was read, tags, parents and its other fields."""
    told = {name: row[name] for name in ("id", "tags", "source", "line", "parents")}
    return {name: value for name, value in told.items() if value} | json.loads(row["meta"])


def _pair(row: Mapping[str, Any]) -> tuple[str, str]:
    messages = plain(row["messages"])
    _demand_turns(messages, {"role", "content"})
    if [turn["role"] for turn in messages] != ["user", "assistant"]:
        found = ", ".join(turn["role"] for turn in messages)
        raise Unheld(f"turns other than one question and one answer ({found})")
    return messages[0]["content"], messages[1]["content"]


def _demand_turns(messages: list[Record], known: Collection[str]) -> None:
    others = sorted({key for turn in messages for key in turn} - set(known))
    if others:
        raise Unheld(f"a turn with {', '.join(others)}")
