"""Step: the production model answers the pool; its answers become traces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from curation.rows import schema, short_hash
from loop.kept import kept
from loop.ledger import Outcome
from loop.models import answer, load_version
from loop.pool import read_pool
from loop.registry import production
from loop.store import current, insert, utc_now

if TYPE_CHECKING:
    import duckdb

    from loop.cycle import Context
    from loop.pool import PoolItem
    from training.answer import Answer

TRACES = schema(
    {
        "id": pl.String,
        "source": pl.String,
        "event": pl.String,
        "time": pl.Datetime("us"),
        "cycle": pl.Int32,
        "model": pl.String,
        "version": pl.Int32,
        "messages": pl.String,
        "output": pl.String,
        "reference": pl.String,
        "tags": pl.List(pl.String),
        "prompt_tokens": pl.Int32,
        "output_tokens": pl.Int32,
        "latency": pl.Float64,
        "mean_entropy": pl.Float64,
        "finish_reason": pl.String,
        "sampling": pl.String,
        "origin": pl.String,
    }
)


def run(context: Context) -> Outcome:
    """Let production answer every prompt of the pool."""
    workspace = context.workspace
    if not workspace.config.data.pool:
        return Outcome({"traces": 0}, "no pool: this cycle learns from imported traces alone")
    items = read_pool(workspace)
    with current(workspace.store, workspace.view) as connection:
        version = production(connection, workspace.config.model).version
    traces = kept(context.kept / "traces.parquet", lambda: _answered(context, version, items))

    def commit(connection: duckdb.DuckDBPyConnection) -> None:
        insert(connection, "traces", traces)

    summary = f"{traces.height} traces of {workspace.config.model} v{version}"
    return Outcome({"traces": traces.height, "version": version}, summary, commit)


def _answered(context: Context, version: int, items: list[PoolItem]) -> pl.DataFrame:
    """What a version answers, as traces."""
    loaded = load_version(context.workspace, version)
    answers = answer(context.workspace, loaded, [i.messages for i in items], context.progress, "answers")
    rows = [_trace(context, version, *pair) for pair in zip(items, answers, strict=True)]
    return pl.DataFrame(rows, schema=TRACES, orient="row")


def _trace(context: Context, version: int, item: PoolItem, given: Answer) -> dict[str, Any]:
    source = f"cycle-{context.cycle}"
    return {
        "id": short_hash([source, item.id]),
        "source": source,
        "event": item.id,
        "time": utc_now(),
        "cycle": context.cycle,
        "model": context.workspace.config.model,
        "version": version,
        "messages": json.dumps(item.messages, ensure_ascii=False),
        "output": given.text,
        "reference": item.reference,
        "tags": item.tags,
        "prompt_tokens": given.prompt_tokens,
        "output_tokens": given.output_tokens,
        "latency": given.seconds,
        "mean_entropy": given.mean_entropy,
        "finish_reason": given.finish_reason,
        "sampling": json.dumps(msgspec.to_builtins(context.workspace.config.generate)),
        "origin": "cycle",
    }
