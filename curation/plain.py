"""Chats whose turns are role and content alone: checked and decoded by the block instead of by the row."""

from __future__ import annotations

import functools
import json
import re
from itertools import compress
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import msgspec
import numpy as np
import pyarrow as pa

from curation.decode import keys, separators
from curation.rows import turns_id
from curation.shapes import Role  # noqa: TC001  (msgspec reads it)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import duckdb
    from numpy.typing import NDArray

_MESSAGES = '{"messages":[{"role":"VARCHAR","content":"VARCHAR","extra":"VARCHAR"}]}'
_OWN = ("tags", "parents")
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
    """Never in the input, or its keys are one too many: the place for it in the id."""


class Chats(NamedTuple):
    """Lines that hold chats, and what each has beside its messages; None where no one has any.

    Attributes:
        numbers: Line numbers.
        lines: The lines.
        ids: Row ids.
        tags: Tags.
        parents: Ids of the rows that each was made from.
        metas: Other fields, as JSON.
    """

    numbers: Sequence[int]
    lines: Sequence[bytes]
    ids: Sequence[str] | None
    tags: Sequence[list[str]] | None
    parents: Sequence[list[str]] | None
    metas: Sequence[str] | None


_tuple = msgspec.structs.astuple
_write = json.JSONEncoder(ensure_ascii=False, sort_keys=True, allow_nan=False).encode


def check(
    numbers: list[int], lines: list[bytes], fields: frozenset[str], *, ids: bool
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
    names = tuple(sorted(filter(_NAME.fullmatch, fields)))[:MOST_FIELDS]
    chats, passed = _decoded(lines, names)
    turns = [chat.messages for chat in chats]
    others = [_others(chat, names) for chat in chats] if names else [(0, "{}")] * len(chats)
    counts = 1 + 2 * _numbers(map(len, turns)) + _numbers(keys for keys, _ in others)
    once = counts == separators(_only(lines, passed))
    chats, turns, others = _only(chats, once), _only(turns, once), _only(others, once)
    passed[passed] = once
    tags, parents = ([getattr(chat, own) for chat in chats] if own in names else () for own in _OWN)
    return Chats(
        _only(numbers, passed),
        _only(lines, passed),
        [turns_id(list(map(_tuple, chat))) for chat in turns] if ids else None,
        [entry or [] for entry in tags] if any(tags) else None,
        [entry or [] for entry in parents] if any(parents) else None,
        [meta for _, meta in others] if names else None,
    ), passed


def decode(lines: Sequence[bytes]) -> pa.ChunkedArray:
    """Decode the messages of lines that `check` has passed.

    DuckDB does it without holding the interpreter, so that the next lines can be checked meanwhile.

    Returns:
        (lines,) messages.
    """
    table = _database().cursor().from_arrow(pa.table({"line": pa.array(lines, pa.large_string())}))
    decoded = table.project(f"from_json(line, '{_MESSAGES}').messages as messages").to_arrow_table()
    return decoded["messages"]


@functools.lru_cache(maxsize=8)
def _decoder(names: tuple[str, ...]) -> msgspec.json.Decoder[Any]:
    """A decoder of chats whose objects may have these keys beside `messages`."""
    fields: list[Any] = [("messages", Annotated[list[_Turn], msgspec.Meta(min_length=1)])]
    for number, name in enumerate(names):
        field = msgspec.field(default=msgspec.UNSET, name=name)
        own = (name, list[str] | msgspec.UnsetType, field)
        fields.append(own if name in _OWN else (f"field{number}", Any, field))
    return msgspec.json.Decoder(msgspec.defstruct("Chat", fields, forbid_unknown_fields=True, gc=False))


def _decoded(lines: Sequence[bytes], names: tuple[str, ...]) -> tuple[list[Any], NDArray[np.bool_]]:
    """The chats, and in which lines they were."""
    decode = _decoder(names).decode
    chats, passed = [], np.ones(len(lines), np.bool_)
    for place, line in enumerate(lines):
        try:
            chats.append(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            passed[place] = False
    return chats, passed


def _others(chat: Any, names: tuple[str, ...]) -> tuple[int, str]:  # noqa: ANN401  (made by `_decoder`)
    """How many keys a chat has beside its turns, and those that are no column, as JSON."""
    there = {n: v for n, v in zip(names, _tuple(chat)[1:], strict=True) if v is not msgspec.UNSET}
    meta = {name: value for name, value in there.items() if name not in _OWN}
    try:
        return len(there) + sum(map(keys, meta.values())), _write(meta) if meta else "{}"
    except RecursionError:
        return NEVER, ""


def _numbers(numbers: Iterable[int]) -> NDArray[np.int64]:
    return np.fromiter(numbers, np.int64)


def _only(values: list[T], which: NDArray[np.bool_]) -> list[T]:
    return values if which.all() else list(compress(values, which))


@functools.cache
def _database() -> duckdb.DuckDBPyConnection:
    import duckdb

    return duckdb.connect(config={"threads": 1})
