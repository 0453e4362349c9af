"""Chats whose turns are role and content alone: checked and decoded a block at a time, not a row."""

from __future__ import annotations

import functools
import re
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from curation.decode import keys, separators
from curation.rows import meta_text, turns_id
from curation.shapes import Role  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

_OWN = ("tags", "parents")
_NESTED = (dict, list)
_NAME = re.compile(r'[^\\"\x00-\x1f]*')
"""Names that a decoder can be made for."""

MOST_FIELDS = 100
NEVER = -(10**6)
"""Added to a number of keys, gives one that no line has."""
T = TypeVar("T")


class _Turn(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    role: Role
    content: str
    extra: None = None
    """The third part of a turn in an id; where the input has this key, it has one more than is counted."""


class Chats(NamedTuple):
    """Lines that hold chats, and what each has beside its messages; None where no one has any.

    Attributes:
        numbers: Line numbers.
        counts: How many turns each has (chats,).
        roles: Those of all turns.
        contents: Those of all turns.
        ids: Row ids.
        tags: Tags.
        parents: Ids of the rows that each was made from.
        metas: Other fields, as JSON.
    """

    numbers: Sequence[int]
    counts: NDArray[np.int64]
    roles: Sequence[str]
    contents: Sequence[str]
    ids: Sequence[str] | None
    tags: Sequence[list[str]] | None
    parents: Sequence[list[str]] | None
    metas: Sequence[str] | None


_tuple = msgspec.structs.astuple


def check(
    numbers: Sequence[int], lines: Sequence[bytes], fields: frozenset[str], *, ids: bool
) -> tuple[Chats, NDArray[np.bool_]]:
    """Find the lines that hold chats of role and content, each key once.

    Args:
        numbers: Line numbers.
        lines: One JSON text each.
        fields: Keys that their objects may have beside `messages`.
        ids: Whether to name the rows.

    Returns:
        These lines, and which of all they are (lines,). The others hold something else, good or bad.
    """
    names = sorted(filter(_NAME.fullmatch, fields.difference(_OWN)))[:MOST_FIELDS]
    own = [name for name in _OWN if name in fields]
    chat, meta = _structs(tuple(own), tuple(names))
    decoded, passed = _decoded(lines, msgspec.json.Decoder(chat).decode)
    said = [_others(chat, len(own), meta) for chat in decoded] if own or names else []
    counts = _numbers(len(chat.messages) for chat in decoded)
    keys_seen = 1 + 2 * counts + (_numbers(count for count, _ in said) if said else 0)
    once = keys_seen == separators(only(lines, passed))
    chats, others = only(decoded, once), only(said, once) if said else []
    turns = [turn for chat in chats for turn in chat.messages]
    passed[passed] = once
    tags, parents = ([getattr(chat, name) for chat in chats] if name in own else () for name in _OWN)
    return Chats(
        only(numbers, passed),
        counts[once],
        [turn.role for turn in turns],
        [turn.content for turn in turns],
        [turns_id(list(map(_tuple, chat.messages))) for chat in chats] if ids else None,
        [entry or [] for entry in tags] if any(tags) else None,
        [entry or [] for entry in parents] if any(parents) else None,
        [text for _, text in others] if names else None,
    ), passed


@functools.lru_cache(maxsize=8)
def _structs(own: tuple[str, ...], names: tuple[str, ...]) -> tuple[type[Any], type[Any]]:
    """Chats whose objects may have these keys beside `messages`; and those keys alone that are no column."""
    strings, unset = list[str] | msgspec.UnsetType, msgspec.UNSET
    columns: list[Any] = [("messages", Annotated[list[_Turn], msgspec.Meta(min_length=1)])]
    columns += [(name, strings, unset) for name in own]
    others: list[Any] = [
        (f"field{number}", Any, msgspec.field(default=unset, name=name)) for number, name in enumerate(names)
    ]
    chat = msgspec.defstruct("Chat", [*columns, *others], forbid_unknown_fields=True, gc=False)
    return chat, msgspec.defstruct("Meta", others, gc=False)


def _decoded(lines: Sequence[bytes], decode: Callable[[bytes], Any]) -> tuple[list[Any], NDArray[np.bool_]]:
    """The chats, and in which lines they were."""
    chats, passed = [], np.ones(len(lines), np.bool_)
    for place, line in enumerate(lines):
        try:
            chats.append(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            passed[place] = False
    return chats, passed


def _others(chat: Any, own: int, meta: type[Any]) -> tuple[int, str]:  # noqa: ANN401  (made by `_structs`)
    """How many keys a chat has beside its turns, and those that are no column, as JSON."""
    _, *values = _tuple(chat)
    try:
        nested = [keys(value) for value in values if type(value) in _NESTED]
        return len(values) - values.count(msgspec.UNSET) + sum(nested), meta_text(meta(*values[own:]))
    except RecursionError:
        return NEVER, ""


def _numbers(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


def only(values: Sequence[T], which: NDArray[np.bool_]) -> Sequence[T]:
    """The values at some places, which are mostly all of them, or none."""
    if which.all():
        return values
    return list(compress(values, which.tolist())) if which.any() else []
