"""Traces out of the store for other tools: chats, preference pairs, evaluation events, or a table."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.files import new_file
from loop.store import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import duckdb

BATCH = 10_000
TABLE = "parquet"
"""The form that is a table, not lines."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  (the store keeps UTC without a zone)
CHATS = """
    WITH chosen AS MATERIALIZED (SELECT * FROM traces WHERE {where}),
    keys AS (SELECT id, id AS key FROM chosen UNION ALL SELECT id, run FROM chosen WHERE run IS NOT NULL),
    said AS (
        SELECT t.id AS about, l.id, l.trace, l.name, l.author, l.score, l.label, l.comment, l.time
        FROM labels l JOIN keys t ON l.trace = t.key WHERE l.origin = 'import'
    ),
    told AS (
        SELECT about, list(struct_pack(id, trace, name, author, score, label, comment, time)
                           ORDER BY time, id) AS labels,
               max_by(struct_pack(score, label, comment), (time, id)) FILTER (name = 'rating') AS rating
        FROM said GROUP BY about
    )
    SELECT t.*, labels, rating.score AS rating, rating.comment AS comment
    FROM chosen t LEFT JOIN told ON told.about = t.id ORDER BY t.id
"""
PREFERENCES = """
    SELECT t.id, t.messages, t.output, c.output AS corrected, c.author,
           (SELECT min(v.score) FROM verdicts v WHERE v.trace = t.id AND v.judge = c.judge) AS score
    FROM traces t JOIN corrections c ON c.trace = t.id AND c.state = 'accepted'
    WHERE t.id IN (SELECT id FROM traces WHERE {where}) AND c.output <> t.output
    QUALIFY row_number() OVER (PARTITION BY t.id ORDER BY c.author LIKE 'person:%' DESC, c.author DESC) = 1
    ORDER BY t.id
"""
EVALUATIONS = """
    SELECT t.id, t.source, t.event, v.judge, v.state, v.score, v.criteria, v.feedback,
           coalesce(v.time, t.time) AS time
    FROM verdicts v JOIN traces t ON t.id = v.trace WHERE t.id IN (SELECT id FROM traces WHERE {where})
    ORDER BY t.id, v.judge, v.repeat
"""
ROWS = "SELECT * FROM traces WHERE {where} ORDER BY id"
FIELDS = (
    "run",
    "model",
    "workload",
    "user_id",
    "conversation_id",
    "reference",
    "prompt_tokens",
    "output_tokens",
    "latency",
    "cost",
    "finish_reason",
    "rating",
    "comment",
)
"""What a chat says beside its messages, where it is known."""


def export_traces(view: Path, output: Path, to: str, where: str) -> int:
    """Write some traces as a file, whole or not at all.

    Args:
        view: The published copy of the store.
        output: The file; an old one is replaced.
        to: A key of `FORMS`, or `TABLE`.
        where: A condition in SQL on the table `traces`.

    Returns:
        How many lines or rows were written.

    Raises:
        UserError: There is no store, the condition is wrong, or it holds for nothing.
    """
    with reading(view) as connection, new_file(output) as temporary:
        if to == TABLE:
            count = _write_table(connection, ROWS.format(where=f"({where}\n)"), temporary)
        else:
            sql, line = FORMS[to]
            count = _write_lines(connection, sql.format(where=f"({where}\n)"), line, temporary)
        if not count:
            fix = 'look at the traces with `regrind sql "select * from traces limit 5"`'
            raise UserError(f"there is nothing to export as {to}", where=f"--where {where}", fix=fix)
    return count


def _write_lines(
    connection: duckdb.DuckDBPyConnection, sql: str, line: Callable[[dict[str, Any]], Any], path: Path
) -> int:
    count = 0
    with path.open("w", encoding="utf8") as stream:
        for row in _rows(connection, sql):
            stream.write(json.dumps(line(row), ensure_ascii=False) + "\n")
            count += 1
    return count


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> Iterator[dict[str, Any]]:
    for part in connection.sql(sql).to_arrow_reader(BATCH):
        yield from part.to_pylist()


def _write_table(connection: duckdb.DuckDBPyConnection, sql: str, path: Path) -> int:
    from pyarrow import parquet

    reader = connection.sql(sql).to_arrow_reader(BATCH)
    count = 0
    with parquet.ParquetWriter(path, reader.schema, compression="zstd") as writer:
        for part in reader:
            writer.write_batch(part)
            count += part.num_rows
    return count


def _chat(row: dict[str, Any]) -> dict[str, Any]:
    turns = [*json.loads(row["messages"]), {"role": "assistant", "content": row["output"]}]
    known = {name: row[name] for name in FIELDS if row[name] is not None}
    tags = {"tags": row["tags"]} if row["tags"] else {}
    sampling = {"sampling": json.loads(row["sampling"])} if row["sampling"] not in {None, "{}"} else {}
    labels = {"labels": [_label(label) for label in row["labels"]]} if row["labels"] else {}
    return {
        "id": row["id"],
        "source": row["source"],
        "event": row["event"],
        "time": f"{row['time'].isoformat()}Z",
        "messages": turns,
        **tags,
        **sampling,
        **known,
        **labels,
    }


def _label(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None} | {
        "time": f"{row['time'].isoformat()}Z"
    }


def _preference(row: dict[str, Any]) -> dict[str, Any]:
    chosen, rejected = ([{"role": "assistant", "content": row[k]}] for k in ("corrected", "output"))
    about = {"trace": row["id"], "author": row["author"], "score": row["score"]}
    return {"prompt": json.loads(row["messages"]), "chosen": chosen, "rejected": rejected, **about}


def _evaluation(row: dict[str, Any]) -> dict[str, Any]:
    """An export of OTLP with one log record: the event that the conventions have for a verdict."""
    trace, _, span = row["event"].partition("/")
    where = {"traceId": trace, "spanId": span} if span else {}
    said = {"gen_ai.evaluation.name": row["judge"].split("/")[-2] if "/" in row["judge"] else row["judge"]}
    said |= {"gen_ai.evaluation.score.value": row["score"], "gen_ai.evaluation.score.label": row["state"]}
    said |= {"gen_ai.evaluation.explanation": row["feedback"], "regrind.judge": row["judge"]}
    said |= {"regrind.trace": row["id"]}
    said |= {"regrind.criteria": row["criteria"]} | ({} if span else {"gen_ai.response.id": row["event"]})
    record = {
        "timeUnixNano": str(int((row["time"] - _EPOCH).total_seconds() * 1_000_000) * 1000),
        "eventName": "gen_ai.evaluation.result",
        **where,
        "attributes": [{"key": k, "value": _typed(v)} for k, v in said.items() if v not in {None, ""}],
    }
    scope = {"scope": {"name": "regrind"}, "logRecords": [record]}
    return {"resourceLogs": [{"resource": {"attributes": []}, "scopeLogs": [scope]}]}


def _typed(value: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": str(value)}


FORMS: dict[str, tuple[str, Callable[[dict[str, Any]], Any]]] = {
    "chat": (CHATS, _chat),
    "preferences": (PREFERENCES, _preference),
    "evaluations": (EVALUATIONS, _evaluation),
}
"""Each form of lines: what is asked of the store, and a row of it as a line."""
