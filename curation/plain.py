"""Chats whose turns are role and content alone: checked and decoded a block at a time, not a row."""

from __future__ import annotations

import functools
import re
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import msgspec
import numpy as np

from curation.decode import keys, separators, separators_in
from curation.rows import meta_text, turns_id
from curation.shapes import Role  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from curation.sources import Block

_OWN = ("tags", "parents")
_NESTED = (dict, list)
_NAME = re.compile(r'[^\\"\x00-\x1f]*')
"""Names that a decoder can be made for."""

OPENS, CLOSES = b"{}"
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
    form = _form(fields)
    decoded, passed = _decoded(lines, form.decoder.decode)
    said = _said(decoded, form)
    once = _keys(decoded, said) == separators(only(lines, passed))
    passed[passed] = once
    return _chats(only(numbers, passed), only(decoded, once), only(said, once), form, ids=ids), passed


def check_all(block: Block, fields: frozenset[str], *, ids: bool) -> Chats | None:
    """As `check`, of lines that are not cut out of their text: in two thirds of the time.

    Args:
        block: The lines.
        fields: Keys that their objects may have beside `messages`.
        ids: Whether to name the rows.

    Returns:
        The chats; None where a line holds something else, or where that cannot be told.
    """
    form = _form(fields)
    if not _one_each(block):
        return None
    try:
        decoded = form.decoder.decode_lines(block.text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    said = _said(decoded, form)
    kept = _keys(decoded, said)
    if len(decoded) != len(block.ends) or (kept < 0).any() or kept.sum() != separators_in(block.text):
        return None
    return _chats(block.numbers, decoded, said, form, ids=ids)


def _one_each(block: Block) -> bool:
    """Whether no object of a text goes over the end of a line, if all of it is objects.

    Each end stands between two braces, and no object has `}` and `{` with only white space between them. So
    where there are as many objects as lines, each line is one.
    """
    data, inner = np.frombuffer(block.text, np.uint8), block.ends[:-1]
    between = (data[inner - 1] == CLOSES) & (data[inner + 1] == OPENS)
    return block.text[:1] == b"{" and bool(between.all())


class _Form(NamedTuple):
    """How lines of a file are decoded: how many of its fields are columns, and a type for the others."""

    decoder: Any
    own: tuple[str, ...]
    meta: type[Any] | None


def _form(fields: frozenset[str]) -> _Form:
    names = sorted(filter(_NAME.fullmatch, fields.difference(_OWN)))[:MOST_FIELDS]
    own = tuple(name for name in _OWN if name in fields)
    chat, meta = _structs(own, tuple(names))
    return _Form(msgspec.json.Decoder(chat), own, meta if names else None)


def _chats(
    numbers: Sequence[int], chats: Sequence[Any], said: Sequence[tuple[int, str]], form: _Form, *, ids: bool
) -> Chats:
    turns = [turn for chat in chats for turn in chat.messages]
    tags, parents = ([getattr(chat, name) for chat in chats] if name in form.own else () for name in _OWN)
    return Chats(
        numbers,
        _numbers(len(chat.messages) for chat in chats),
        [turn.role for turn in turns],
        [turn.content for turn in turns],
        [turns_id(list(map(_tuple, chat.messages))) for chat in chats] if ids else None,
        [entry or [] for entry in tags] if any(tags) else None,
        [entry or [] for entry in parents] if any(parents) else None,
        [text for _, text in said] if form.meta else None,
    )


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


def _said(chats: Sequence[Any], form: _Form) -> list[tuple[int, str]]:
    """How many keys each chat has beside its turns, and those that are no column, as JSON."""
    return [_others(chat, form) for chat in chats] if form.own or form.meta else []


def _others(chat: Any, form: _Form) -> tuple[int, str]:  # noqa: ANN401  (made by `_structs`)
    _, *values = _tuple(chat)
    try:
        nested = [keys(value) for value in values if type(value) in _NESTED]
        text = meta_text(form.meta(*values[len(form.own) :])) if form.meta else ""
        return len(values) - values.count(msgspec.UNSET) + sum(nested), text
    except RecursionError:
        return NEVER, ""


def _keys(chats: Sequence[Any], said: Sequence[tuple[int, str]]) -> NDArray[np.int64]:
    """How many keys were kept of each chat, at all depths (chats,)."""
    counts = 1 + 2 * _numbers(len(chat.messages) for chat in chats)
    return counts + _numbers(count for count, _ in said) if said else counts


def _numbers(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


def only(values: Sequence[T], which: NDArray[np.bool_]) -> Sequence[T]:
    """The values at some places, which are mostly all of them, or none."""
    if which.all():
        return values
    return list(compress(values, which.tolist())) if which.any() else []
