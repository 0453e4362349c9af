"""Events as rows of the store's tables, free of personal data before any of it is written."""

from __future__ import annotations

import functools
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from curation.fields import in_json
from curation.pii import ALL, KINDS
from curation.redact import redact_text
from curation.rows import schema, short_hash
from loop.imports.event import trace_id
from loop.store.write import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from loop.imports.event import Call, Label, Run

TRACES = schema(
    {
        "id": pl.String,
        "source": pl.String,
        "event": pl.String,
        "run": pl.String,
        "response": pl.String,
        "time": pl.Datetime("us"),
        "model": pl.String,
        "workload": pl.String,
        "user_id": pl.String,
        "conversation_id": pl.String,
        "messages": pl.String,
        "output": pl.String,
        "reference": pl.String,
        "tags": pl.List(pl.String),
        "prompt_tokens": pl.Int32,
        "output_tokens": pl.Int32,
        "latency": pl.Float64,
        "cost": pl.Float64,
        "finish_reason": pl.String,
        "sampling": pl.String,
        "origin": pl.String,
    }
)
PAYLOADS = schema(
    {
        "trace": pl.String,
        "format": pl.String,
        "mapping": pl.Int32,
        "payload": pl.String,
        "unmapped": pl.List(pl.String),
    }
)
LABELS = schema(
    {
        "id": pl.String,
        "trace": pl.String,
        "name": pl.String,
        "author": pl.String,
        "score": pl.Float64,
        "label": pl.String,
        "comment": pl.String,
        "time": pl.Datetime("us"),
        "origin": pl.String,
        "run": pl.String,
        "payload": pl.String,
        "unmapped": pl.List(pl.String),
    }
)
RUNS = schema(
    {
        "id": pl.String,
        "user_id": pl.String,
        "conversation_id": pl.String,
        "workload": pl.String,
        "tags": pl.List(pl.String),
        "time": pl.Datetime("us"),
        "payload": pl.String,
        "unmapped": pl.List(pl.String),
    }
)
JSON = {"messages", "payload", "sampling"}
"""Columns whose text is JSON: redaction leaves it JSON."""

FREE = {"traces": ("messages", "output", "reference", "sampling"), "payloads": ("payload",)}
FREE |= {"labels": ("label", "comment", "payload"), "runs": ("payload",)}
"""Columns that may hold whatever somebody typed."""


class Batch(NamedTuple):
    """Rows of the tables `traces`, `payloads`, `labels` and `runs`."""

    traces: pl.DataFrame
    payloads: pl.DataFrame
    labels: pl.DataFrame
    runs: pl.DataFrame


def batch(
    calls: Sequence[Call], labels: Iterable[Label], runs: Iterable[Run], source: str, form: str, mapping: int
) -> Batch:
    """Rows of some events, redacted.

    Args:
        calls: Calls of a model, with their own labels.
        labels: Labels that came by themselves.
        runs: Whole requests.
        source: The name that event ids are unique under.
        form: The format they came in.
        mapping: Version of its mapping.
    """
    now = utc_now()
    traces = [_trace(call, source) | {"time": call.time or now} for call in calls]
    payloads = [
        {
            "trace": t["id"],
            "format": form,
            "mapping": mapping,
            "payload": _text(c.payload),
            "unmapped": _paths(c.unmapped),
        }
        for t, c in zip(traces, calls, strict=True)
    ]
    times = {call.event: call.time or now for call in calls}
    said = [_label(label, source, times[call.event]) for call in calls for label in call.labels]
    said += [_label(label, source, times.get(label.event or "", now)) for label in labels]
    asked = [_run(run, source, now) for run in runs]
    return Batch(
        _redacted(pl.DataFrame(traces, schema=TRACES), FREE["traces"]),
        _redacted(pl.DataFrame(payloads, schema=PAYLOADS), FREE["payloads"]),
        _redacted(pl.DataFrame(said, schema=LABELS), FREE["labels"]),
        _redacted(pl.DataFrame(asked, schema=RUNS), FREE["runs"]),
    )


@functools.lru_cache(maxsize=10_000)
def pseudonym(identity: str | None) -> str | None:
    """An id of a user or a conversation; one that is an address or a number of a person becomes its hash."""
    if identity is None or not redact_text(identity)[1]:
        return identity
    return f"hash-{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


@functools.lru_cache(maxsize=10_000)
def clean(text: str) -> str:
    """A short text without personal data."""
    return redact_text(text)[0]


def _trace(call: Call, source: str) -> dict[str, Any]:
    source = call.source or source
    return {
        "id": trace_id(source, call.event),
        "source": source,
        "event": pseudonym(call.event) if "@" in call.event else call.event,
        "run": trace_id(source, call.run) if call.run else call.known_run,
        "response": trace_id(source, call.response) if call.response else None,
        "model": clean(call.model),
        "workload": clean(call.workload) if call.workload else None,
        "user_id": pseudonym(call.user_id),
        "conversation_id": pseudonym(call.conversation_id),
        "messages": _text(call.messages),
        "output": _whole(call.output),
        "reference": call.reference,
        "tags": [clean(tag) for tag in call.tags],
        "prompt_tokens": call.prompt_tokens,
        "output_tokens": call.output_tokens,
        "latency": call.latency,
        "cost": call.cost,
        "finish_reason": clean(call.finish_reason) if call.finish_reason else None,
        "sampling": _text(call.sampling),
        "origin": "import",
    }


def _label(label: Label, source: str, moment: Any) -> dict[str, Any]:  # noqa: ANN401
    about = label.event or label.run or ""
    own = label.key or [label.name, label.author, label.score, label.label, str(label.time)]
    return {
        "id": label.known_id or short_hash([source, about, label.name, own]),
        "trace": label.known_trace or trace_id(source, about),
        "run": trace_id(source, label.run) if label.run else None,
        "payload": None if label.payload is None else _text(label.payload),
        "unmapped": _paths(label.unmapped),
        "name": clean(label.name),
        "author": pseudonym(label.author),
        "score": label.score,
        "label": label.label,
        "comment": label.comment,
        "time": label.time or moment,
        "origin": "import",
    }


def _run(run: Run, source: str, now: datetime) -> dict[str, Any]:
    return {
        "id": trace_id(source, run.event),
        "user_id": pseudonym(run.user_id),
        "conversation_id": pseudonym(run.conversation_id),
        "workload": clean(run.name) if run.name else None,
        "tags": [clean(tag) for tag in run.tags],
        "time": run.time or now,
        "payload": _text(run.payload),
        "unmapped": _paths(run.unmapped),
    }


def _paths(paths: list[str]) -> list[str]:
    """Names of fields, of which one may be an address."""
    return [clean(path) if "@" in path else path for path in paths]


def _text(value: object) -> str:
    return _whole(json.dumps(value, ensure_ascii=False))


def _whole(text: str) -> str:
    """A text in which half a character is written as its escape, since no table can hold it."""
    return text if text.isascii() else text.encode("utf8", "backslashreplace").decode()


def _redacted(rows: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Replace personal data in some columns; only texts that may have some are looked at."""
    for name in columns:
        places = rows.select(_hinted(name).arg_true()).to_series()
        if not places.len():
            continue
        texts = rows[name].to_list()
        for place in places:
            texts[place] = _without(texts[place], name)
        rows = rows.with_columns(pl.Series(name, texts, dtype=pl.String))
    return rows


def _without(text: str, column: str) -> str:
    return in_json(text, ALL, "")[0] if column in JSON else redact_text(text)[0]


def _hinted(name: str) -> pl.Expr:
    """Whether a text may have personal data: one pattern at a time, as in `curation.redact`."""
    patterns = [KINDS[kind].hint for kind in ALL] + ([r"\\u"] if name in JSON else [])
    return pl.any_horizontal(pl.col(name).str.contains(p).fill_null(value=False) for p in patterns)
