"""Files of nothing but chats of role and content: Arrow reads their blocks, some at a time, on threads.

Arrow refuses a key twice, another key, a value of another kind, and half a character. The rest is looked for
here: nulls, no turns, bytes that are no UTF-8, other roles, and two objects in one line.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, get_args

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from curation.rows import ROWS
from curation.shapes import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from curation.sources import Block

FIELDS = frozenset({"messages"})
"""The fields of such objects."""

THREADS = 2
"""More would wait for the one that makes columns of what they read."""

OPENS, CLOSES, RETURN = b"{}\r"
_TURN = pa.struct([("role", pa.string()), ("content", pa.string())])
_SCHEMA = pa.schema([pa.field("messages", pa.list_(_TURN))])
_ROLES = pa.array(get_args(Role))


def with_messages(
    blocks: Iterable[Block], bare: Callable[[], bool]
) -> Iterator[tuple[Block, pl.Series | None]]:
    """Blocks with their conversations, of which some are read ahead.

    Args:
        blocks: The lines.
        bare: Whether the file is known by now to be one of these.

    Yields:
        A block, and what `messages_of` says of it; None, too, of blocks that came before that was known.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        ahead: deque[tuple[Block, Future[pl.Series | None]]] = deque()
        for block in blocks:
            if not bare():
                yield block, None
                continue
            ahead.append((block, pool.submit(messages_of, block)))
            if len(ahead) > THREADS:
                first, messages = ahead.popleft()
                yield first, messages.result()
        for first, messages in ahead:
            yield first, messages.result()


def messages_of(block: Block) -> pl.Series | None:
    """The conversations of a block, one of each line (lines,).

    Returns:
        The column `messages` of rows; None where a line holds something else.
    """
    import pyarrow.json

    if not _one_each(block):
        return None
    options = pyarrow.json.ReadOptions(use_threads=False, block_size=len(block.text) + 1)
    strict = pyarrow.json.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="error")
    try:
        table = pyarrow.json.read_json(pa.BufferReader(block.text), options, strict)
        table.validate(full=True)
    except pa.ArrowInvalid:
        return None
    lists = table["messages"].combine_chunks()
    return _series(lists) if len(lists) == len(block.ends) and _is_complete(lists) else None


def _one_each(block: Block) -> bool:
    """Whether no object of a text goes over the end of a line, if all of it is objects.

    Each end stands between two braces, and no object has `}` and `{` with only white space between them. So
    where there are as many objects as lines, each line is one. The first byte is looked at because the place
    before it is the last one.
    """
    data, inner = np.frombuffer(block.text, np.uint8), block.ends[:-1]
    last = inner - 1 - (data[inner - 1] == RETURN)
    between = (data[last] == CLOSES) & (data[inner + 1] == OPENS)
    return block.text[:1] == b"{" and len(data) < 2**31 - 1 and bool(between.all())


def _is_complete(lists: pa.ListArray) -> bool:
    """Whether every conversation has a turn, and every turn a content and a role that is known."""
    turns = lists.flatten()
    columns = [lists, turns, turns.field("role"), turns.field("content")]
    if any(column.null_count for column in columns):
        return False
    known = pc.all(pc.is_in(turns.field("role"), _ROLES)).as_py()
    return bool(known) and pc.min(lists.value_lengths()).as_py() > 0


def _series(lists: pa.ListArray) -> pl.Series:
    turns = lists.flatten()
    columns = [turns.field("role"), turns.field("content"), pa.nulls(len(turns), pa.string())]
    whole = pa.StructArray.from_arrays(columns, ["role", "content", "extra"])
    return pl.Series("messages", pa.ListArray.from_arrays(lists.offsets, whole), ROWS["messages"])
