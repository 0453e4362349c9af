"""The row: its polars schema, its content hash, and the texts that other files compare."""

from __future__ import annotations

import hashlib
import json
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MESSAGE = pl.Struct({"role": pl.String, "content": pl.String, "extra": pl.String})
"""One turn; `extra` holds its other fields (tool calls, a name) as JSON, or null."""


def schema(columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.Schema:
    """A polars schema from column types, whichever way they are spelled."""
    return pl.Schema(columns)


ROWS = schema(
    {
        "id": pl.String,
        "messages": pl.List(MESSAGE),
        "tags": pl.List(pl.String),
        "source": pl.String,
        "line": pl.Int64,
        "parents": pl.List(pl.String),
        "family": pl.String,
        "meta": pl.String,
    }
)
"""A row of data. `id` is the hash of `messages`; `source` and `line` say where it was read;
`parents` are the ids of rows it was made from; `family` names its near-duplicate cluster;
`meta` keeps every field of the input that has no column here, as JSON."""

DROPS = pl.Schema(
    {
        "row_id": pl.String,
        "source": pl.String,
        "line": pl.Int64,
        "step": pl.String,
        "reason": pl.String,
        "partner_id": pl.String,
        "partner_source": pl.String,
        "partner_line": pl.Int64,
        "similarity": pl.Float64,
        "detail": pl.String,
    }
)
"""Why a row is gone: the step, the reason, and the row (or held-out item) it lost to."""

SHAPED_FROM = "shaped_from"
"""Field of `meta`: the prompt that a row had before a template was put around it, redacted."""

Message = dict[str, Any]

Turn = tuple[str, str, str | None]
"""Role, content, and the turn's other fields as JSON or None."""

_encode = msgspec.json.Encoder().encode
_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: the form that is hashed."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def short_hash(value: object) -> str:
    """First 16 hexadecimal digits of the SHA-256 of `value` in canonical form."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:16]


def row_id(messages: Iterable[Message]) -> str:
    """Content hash of a conversation: the same messages have the same id on every machine."""
    return short_hash([[m["role"], m["content"], m.get("extra")] for m in messages])


def turns_id(turns: Sequence[Turn]) -> str:
    """The id of a row with these turns: the same as `row_id` gives, at a third of the time."""
    return hashlib.sha256(_encode(turns)).hexdigest()[:16]


def meta_text(fields: Mapping[str, Any] | msgspec.Struct) -> str:
    """The fields of `meta` as the JSON that it holds."""
    return _sorted(fields).decode()


def with_ids(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with a column `messages`, with the ids that follow from them."""
    flat = rows["messages"].to_arrow(compat_level=pl.CompatLevel.newest()).flatten()
    turns = zip(*(pl.Series(flat.field(name)) for name in ("role", "content", "extra")), strict=True)
    counts = rows["messages"].list.len().fill_null(0)
    ids = [turns_id(list(islice(turns, count))) for count in counts]
    return rows.with_columns(id=pl.Series(ids, dtype=pl.String))


def make_row(
    messages: Sequence[Message],
    *,
    tags: Sequence[str] = (),
    source: str = "",
    line: int | None = None,
    parents: Sequence[str] = (),
    family: str | None = None,
    meta: str = "{}",
) -> dict[str, Any]:
    """One row as a dictionary that fits `ROWS`."""
    turns = [{"role": m["role"], "content": m["content"], "extra": m.get("extra")} for m in messages]
    return {
        "id": row_id(turns),
        "messages": turns,
        "tags": list(tags),
        "source": source,
        "line": line,
        "parents": list(parents),
        "family": family,
        "meta": meta,
    }


def frame(rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Rows as a frame with the schema `ROWS`, empty if there are none."""
    return pl.DataFrame(list(rows), schema=ROWS, orient="row")


def drop_frame(drops: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """Drops as a frame with the schema `DROPS`; fields that are not given are null."""
    return pl.DataFrame(list(drops), schema=DROPS, orient="row")


def split_answer(messages: Sequence[Message]) -> tuple[list[Message], str]:
    """The prompt (all turns before the last assistant turn) and the answer's text.

    A conversation that does not end with the assistant is all prompt.
    """
    if messages and messages[-1]["role"] == "assistant":
        return list(messages[:-1]), messages[-1]["content"] or ""
    return list(messages), ""


def prompt_text(messages: Sequence[Message]) -> str:
    """The text of a prompt that is compared: its turns without the system message."""
    prompt, _ = split_answer(messages)
    return "\n".join(m["content"] or "" for m in prompt if m["role"] != "system")


def answer_text(messages: Sequence[Message]) -> str:
    """The text of the last assistant turn, or an empty string."""
    return split_answer(messages)[1]


def with_answer(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows whose last turn is the assistant's."""
    return rows.filter(
        (pl.col("messages").list.last().struct.field("role") == "assistant").fill_null(value=False)
    )


def plain(messages: Sequence[Message]) -> list[Message]:
    """Messages as they are exchanged: role and content, with the other fields put back."""
    return [
        {"role": m["role"], "content": m["content"], **(json.loads(m["extra"]) if m.get("extra") else {})}
        for m in messages
    ]
