"""Text as the kernels read it: Arrow's bytes, message by message, and which messages make up a text."""

from __future__ import annotations

import functools
import sys
import unicodedata
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.calls import HINT, said
from curation.text import UNSPACED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

On = Literal["prompt", "answer", "all"]
"""Which part of a conversation is compared."""

WORD, MARK, SPACE, NO_SPACES = 1, 2, 4, 8
BLOCK = 1 << 14


class Texts(NamedTuple):
    """Some texts, each of which is one or more messages.

    Attributes:
        data: UTF-8 bytes of all messages (bytes,), uint8.
        offsets: Where each message begins (messages + 1,).
        other: Bytes of the messages that are not ASCII, NFKC-normalised and in lower case.
        other_offsets: Where each of those begins (others + 1,).
        which: Which of the others stands for a message (messages,); -1 where it is ASCII.
        used: Which messages count (messages,).
        first: The first message of each text (texts,).
        end: The message behind its last one (texts,).
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    other: NDArray[np.uint8]
    other_offsets: NDArray[np.int64]
    which: NDArray[np.int64]
    used: NDArray[np.bool_]
    first: NDArray[np.int64]
    end: NDArray[np.int64]


def of_strings(texts: Sequence[str] | pl.Series) -> Texts:
    """Plain strings, one message each."""
    count = np.arange(len(texts), dtype=np.int64)
    return _texts(
        pl.Series(texts, dtype=pl.String).to_arrow(), np.ones(len(texts), np.bool_), count, count + 1
    )


def of_messages(messages: pl.Series, on: On) -> Texts:
    """The compared part of conversations: `of_lists` of the column `messages` of rows."""
    return of_lists(messages.to_arrow(), on)


def taken(messages: pl.Series, numbers: NDArray[np.int64]) -> pl.Series:
    """Conversations by number, which ascend; what is not between them is not touched."""
    if not len(numbers):
        return messages.clear()
    first = int(numbers[0])
    part = messages.slice(first, int(numbers[-1]) + 1 - first)
    if part.n_chunks() > 1 and len(part) == len(numbers):
        return part.rechunk()
    # To gather from many chunks is slow, and what is cut from one chunk would be converted with all of it.
    return part.rechunk().gather(numbers - first)


def of_lists(lists: pa.LargeListArray, on: On) -> Texts:
    """The compared part of conversations.

    Args:
        lists: The turns of each.
        on: `prompt` is all turns before the last assistant turn without the system message, `answer` is
            that last turn, `all` is every turn. What a turn calls is part of its text.
    """
    turns = lists.flatten()
    first, end = _bounds(lists)
    used = np.ones(len(turns), np.bool_)
    if on != "all":
        roles = turns.field("role")
        answered = (first < end) & np.append(_is(roles, "assistant"), False)[end - 1]
        if on == "prompt":
            used = ~_is(roles, "system")
            end -= answered
        else:
            first = end - answered
    return _texts(_said(turns), used, first, end)


def contents(lists: pa.LargeListArray) -> Texts:
    """The contents of all turns, without what they call."""
    turns = lists.flatten()
    return _texts(turns.field("content"), np.ones(len(turns), np.bool_), *_bounds(lists))


def _bounds(lists: pa.LargeListArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    ends = np.asarray(lists.offsets, dtype=np.int64) - lists.offsets[0].as_py()
    return ends[:-1].copy(), ends[1:].copy()


def _said(turns: pa.StructArray) -> pa.Array:
    """The contents of turns with what they call."""
    own, extras = turns.field("content"), turns.field("extra")
    if extras.null_count == len(extras):
        return own
    asked = pc.fill_null(pc.match_substring(extras.cast(pa.large_string()), HINT), fill_value=False)
    own = own.cast(pa.large_string())
    pairs = zip(own.filter(asked).to_pylist(), extras.filter(asked).to_pylist(), strict=True)
    return pc.replace_with_mask(own, asked, pa.array([said(*pair) for pair in pairs], pa.large_string()))


def _is(roles: pa.Array, name: str) -> NDArray[np.bool_]:
    return np.asarray(pc.fill_null(pc.equal(roles, name), fill_value=False).to_numpy(zero_copy_only=False))


def _texts(
    contents: pa.Array, used: NDArray[np.bool_], first: NDArray[np.int64], end: NDArray[np.int64]
) -> Texts:
    filled = pc.fill_null(contents.cast(pa.large_string()), "")
    data, offsets = _buffers(filled)
    if data.max(initial=0) < 128:  # mostly so, and told in a tenth of the time
        nothing = np.empty(0, np.uint8), np.zeros(1, np.int64)
        return Texts(data, offsets, *nothing, np.full(len(filled), -1), used, first, end)
    strange = ~pc.string_is_ascii(filled).to_numpy(zero_copy_only=False)
    which = np.where(strange, np.cumsum(strange) - 1, -1)
    normal = (
        pl.Series(filled.filter(pa.array(strange)), dtype=pl.String).str.normalize("NFKC").str.to_lowercase()
    )
    return Texts(data, offsets, *_buffers(normal.to_arrow()), which, used, first, end)


def _buffers(strings: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    array = strings.cast(pa.large_string())
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return np.frombuffer(data or b"", np.uint8), bounds if len(array) else np.zeros(1, np.int64)


@functools.cache
def kinds(points: int = sys.maxunicode + 1) -> NDArray[np.uint8]:
    """What each of the first so many code points is: flags WORD, MARK, SPACE and NO_SPACES."""
    table = np.zeros(points, np.uint8)
    for point in range(points):
        c = chr(point)
        if c.isalnum() or c == "_":
            table[point] = WORD
        elif unicodedata.category(c)[0] == "M":
            table[point] = MARK
        elif c.isspace():
            table[point] = SPACE
    for first, last in UNSPACED:
        table[first : last + 1] |= NO_SPACES
    return table
