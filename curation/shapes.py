"""The shapes that training files come in, and how each becomes messages."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

if TYPE_CHECKING:
    from curation.rows import Turn

Role = Literal["system", "user", "assistant", "tool"]


class ChatTurn(msgspec.Struct):
    """A chat message; `content` may be null only where the assistant calls a tool."""

    role: Role
    content: str | None = None
    tool_calls: Any = None


class Chat(msgspec.Struct):
    """`{"messages": [{"role", "content"}, …]}`, as OpenAI and most trainers have it."""

    messages: Annotated[list[ChatTurn], msgspec.Meta(min_length=1)]


class PromptResponse(msgspec.Struct):
    """`{"prompt", "response"}`."""

    prompt: str
    response: str


class PromptCompletion(msgspec.Struct):
    """`{"prompt", "completion"}`."""

    prompt: str
    completion: str


class QuestionAnswer(msgspec.Struct):
    """`{"question", "answer"}`."""

    question: str
    answer: str


class Alpaca(msgspec.Struct):
    """`{"instruction", "input", "output"}`; `input` may be missing, null or empty."""

    instruction: str
    output: str
    input: str | None = None


class ShareTurn(msgspec.Struct):
    """One turn of a ShareGPT conversation."""

    from_: Literal["system", "human", "user", "gpt", "assistant"] = msgspec.field(name="from")
    value: str


class ShareGPT(msgspec.Struct):
    """`{"conversations": [{"from", "value"}, …]}`."""

    conversations: Annotated[list[ShareTurn], msgspec.Meta(min_length=1)]


class InputOutput(msgspec.Struct):
    """`{"input", "output"}`, as logs have it."""

    input: str
    output: str


class PromptOutput(msgspec.Struct):
    """`{"prompt", "output"}`."""

    prompt: str
    output: str


class Prompt(msgspec.Struct):
    """`{"prompt"}` alone: something to answer, not to learn from."""

    prompt: str


Shape = (
    type[Chat]
    | type[PromptResponse]
    | type[PromptCompletion]
    | type[QuestionAnswer]
    | type[Alpaca]
    | type[ShareGPT]
    | type[InputOutput]
    | type[PromptOutput]
    | type[Prompt]
)

SHAPES: dict[str, Shape] = {
    "messages": Chat,
    "conversations": ShareGPT,
    "prompt/response": PromptResponse,
    "prompt/completion": PromptCompletion,
    "question/answer": QuestionAnswer,
    "instruction/output": Alpaca,
    "input/output": InputOutput,
    "prompt/output": PromptOutput,
    "prompt": Prompt,
}
"""Shapes by the keys that give them away; the more telling ones come first."""

_NEEDED = {name: frozenset(name.split("/")) for name in SHAPES}


SHARE_ROLES = {"human": "user", "gpt": "assistant"}


def recognise(record: dict[str, Any]) -> str | None:
    """Name of the shape whose keys the record has, or None."""
    return next((name for name, needed in _NEEDED.items() if needed <= record.keys()), None)


def to_turns(shape: str, record: dict[str, Any]) -> list[Turn]:
    """Turns of a record.

    Args:
        shape: A key of `SHAPES`.
        record: One decoded JSON object.

    Returns:
        Role, content and other fields (JSON or None) of each turn.

    Raises:
        msgspec.ValidationError: The record does not fit; the message ends with the path.
    """
    match msgspec.convert(record, SHAPES[shape]):
        case Chat():
            return [_turn(turn, number) for number, turn in enumerate(record["messages"])]
        case ShareGPT(conversations=turns):
            return [
                (SHARE_ROLES.get(t.from_, t.from_), t.value, _share_rest(turn, number))
                for number, (t, turn) in enumerate(zip(turns, record["conversations"], strict=True))
            ]
        case Alpaca(instruction=i, input=x, output=a):
            return [("user", f"{i}\n\n{x}" if x else i, None), ("assistant", a, None)]
        case Prompt(prompt=p):
            return [("user", p, None)]
        case pair:
            asked, said = msgspec.structs.astuple(pair)
            return [("user", asked, None), ("assistant", said, None)]


@functools.cache
def own_keys(shape: str) -> frozenset[str]:
    """Keys of a record that its shape uses; the others are kept as `meta`."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(SHAPES[shape]))


def _rest(turn: dict[str, Any], used: tuple[str, ...]) -> str | None:
    rest = {key: value for key, value in turn.items() if key not in used}
    return msgspec.json.encode(rest).decode() if rest else None


def _share_rest(turn: dict[str, Any], number: int) -> str | None:
    if twice := turn.keys() & {"role", "content"}:
        place = f"$.conversations[{number}].{min(twice)}"
        raise msgspec.ValidationError(f"a turn of from and value has role or content too - at `{place}`")
    return _rest(turn, ("from", "value"))


def _turn(turn: dict[str, Any], number: int) -> Turn:
    calls = turn["role"] == "assistant" and turn.get("tool_calls")
    if turn.get("content") is None and not calls:
        raise msgspec.ValidationError(f"Expected `str`, got `null` - at `$.messages[{number}].content`")
    return turn["role"], turn.get("content") or "", _rest(turn, ("role", "content"))
