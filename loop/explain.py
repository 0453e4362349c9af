"""Explain: everything that touched a row, a trace, a snapshot or a model, from one id."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from curation.errors import UserError
from curation.manifest import RESTORE
from curation.rows import answer_text, prompt_text
from curation.stored import read_rows
from loop.store import pl_frame, reading

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from loop.workspace import Workspace

MINE = (
    "CREATE TEMP TABLE mine AS FROM membership WHERE row_id = $id UNION ALL"
    " FROM membership WHERE trace = $trace AND row_id IS DISTINCT FROM $id"
)
"""What the other queries ask: the table of members has millions of lines, and is read once."""
ROW = {
    "snapshots": "SELECT snapshot, split, origin, source, line, parents FROM mine"
    " JOIN snapshots s ON s.id = snapshot WHERE row_id = $id ORDER BY s.created, source, line",
    "drops": "SELECT snapshot, step, reason, source, line, partner_id, partner_source, partner_line,"
    " similarity, detail FROM drops WHERE row_id = $id ORDER BY ALL",
    "children": "SELECT DISTINCT row_id FROM membership WHERE list_contains(parents, $id) ORDER BY row_id",
    "models": "SELECT name, version, status, snapshot FROM models WHERE snapshot IN"
    " (SELECT snapshot FROM mine WHERE row_id = $id) ORDER BY version",
    "promotions": "SELECT cycle, candidate, decision, reason FROM promotions p WHERE EXISTS"
    " (FROM models m JOIN mine s ON s.snapshot = m.snapshot"
    " WHERE s.row_id = $id AND m.name = p.model AND m.version = p.candidate) ORDER BY p.id",
}
TRACE = {
    "traces": "SELECT id, source, event, cycle, model, version, time, user_id, conversation_id, output,"
    " reference, finish_reason, mean_entropy, cost FROM traces WHERE id = $trace",
    "payloads": "SELECT format, mapping, unmapped FROM payloads WHERE trace = $trace",
    "labels": "SELECT name, author, score, label, comment FROM trace_labels WHERE trace = $trace"
    " ORDER BY ALL",
    "verdicts": "SELECT judge, state, score, criteria, feedback, cost FROM verdicts WHERE trace = $trace",
    "corrections": "SELECT author, state, reason, output FROM corrections WHERE trace = $trace",
    "rows": "SELECT DISTINCT row_id FROM mine WHERE trace = $trace ORDER BY row_id",
}
SNAPSHOT = {
    "snapshots": "SELECT id, parent, cycle, created, rows_in, train, validation, test FROM snapshots"
    " WHERE id = $id",
    "parents": "WITH RECURSIVE up AS (SELECT id, parent, 0 AS far FROM snapshots WHERE id = $id UNION ALL"
    " SELECT s.id, s.parent, far + 1 FROM snapshots s JOIN up ON s.id = up.parent)"
    " SELECT id FROM up WHERE far > 0 ORDER BY far",
    "children": "SELECT id FROM snapshots WHERE parent = $id ORDER BY created",
    "origins": "SELECT split, origin, count(*) AS rows FROM membership WHERE snapshot = $id"
    " GROUP BY ALL ORDER BY ALL",
    "drops": "SELECT step, reason, count(*) AS rows FROM drops WHERE snapshot = $id"
    " GROUP BY ALL ORDER BY ALL",
    "learned_from": "SELECT t.model, t.version, t.cycle, t.origin, count(DISTINCT t.id) AS traces"
    " FROM membership m JOIN traces t ON t.id = m.trace WHERE m.snapshot = $id GROUP BY ALL ORDER BY ALL",
    "models": "SELECT name, version, status FROM models WHERE snapshot = $id ORDER BY ALL",
}
MODEL = {
    "models": "SELECT name, version, status, base, snapshot, created FROM models"
    " WHERE name = $name AND version = $version",
    "evaluations": "SELECT heldout, judge, items, mean_score, exact_match FROM score_by_model"
    " WHERE model = $name AND version = $version",
    "promotions": "SELECT cycle, candidate, incumbent, decision, reason FROM promotions"
    " WHERE model = $name AND $version IN (candidate, incumbent) ORDER BY id",
    "said": "SELECT t.cycle, t.origin, count(DISTINCT t.id) AS traces, avg(v.score) AS mean_score"
    " FROM traces t LEFT JOIN verdicts v ON v.trace = t.id WHERE t.model = $name AND t.version = $version"
    " GROUP BY ALL ORDER BY ALL",
    "taught": "SELECT m.snapshot, count(*) AS rows FROM membership m JOIN traces t ON t.id = m.trace"
    " WHERE t.model = $name AND t.version = $version GROUP BY ALL ORDER BY ALL",
}
"""One query a part of the story, for each kind of thing."""


class Thing(NamedTuple):
    """What an id stands for: its kind, and what the queries of that kind ask for."""

    kind: str
    given: dict[str, Any]


def explain(workspace: Workspace, beginning: str) -> dict[str, Any]:
    """Collect the story of a row, a trace, a snapshot or a model.

    Args:
        workspace: Where.
        beginning: Id of a row, a trace or a snapshot, or how it begins; `v2` or `NAME:2` for a model.

    Returns:
        `kind`, and one list for each part of the story. For a row or a trace also `row`, `trace`,
        `prompt` and `answer`, or in `no_text` why the row's text is not there.

    Raises:
        UserError: Nothing has that id, or several things do.
    """
    with reading(workspace.view) as connection:
        thing = _identify(connection, beginning, workspace.config.model)
        if thing.kind in {"snapshot", "model"}:
            parts = SNAPSHOT if thing.kind == "snapshot" else MODEL
            return {"kind": thing.kind} | _ask(connection, parts, thing.given)
        found = {"kind": thing.kind, "row": thing.given["id"], "trace": thing.given["trace"]}
        found |= {"prompt": None, "answer": None, "no_text": None}
        connection.execute(MINE, thing.given)
        found |= _ask(connection, ROW, thing.given) | _ask(connection, TRACE, thing.given)
    return found | _text(workspace, found)


def _ask(
    connection: duckdb.DuckDBPyConnection, parts: dict[str, str], given: dict[str, Any]
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for name, sql in parts.items():
        used = {key: value for key, value in given.items() if f"${key}" in sql}
        known = None not in used.values()
        found[name] = pl_frame(connection.sql(sql, params=used)).to_dicts() if known else []
    return found


def _text(workspace: Workspace, found: dict[str, Any]) -> dict[str, Any]:
    """Prompt and answer of a row, from the first snapshot whose files are there; else why there are none."""
    faults = {}
    for entry in found["snapshots"]:
        folder = workspace.snapshots / entry["snapshot"]
        try:
            messages = _messages(folder, entry["split"], found["row"])
        except UserError as fault:
            faults["no_text"] = f"its text is not there: {fault.problem} ({fault.where})"
        else:
            return {"prompt": prompt_text(messages), "answer": answer_text(messages)}
    for trace in found["traces"] if not found["row"] else []:
        return {"answer": trace["output"]}
    return faults


def _messages(folder: Path, split: str, row: str) -> list[dict[str, Any]]:
    """Messages of one row, without reading those of the others."""
    import polars as pl

    found = read_rows(folder, split, ["id", "messages"], chosen=pl.Series([row]))["messages"]
    if not found.len():
        raise UserError("the snapshot lacks the row", where=str(folder), fix=RESTORE)
    messages: list[dict[str, Any]] = found.to_list()[0]
    return messages


def _identify(connection: duckdb.DuckDBPyConnection, beginning: str, model: str) -> Thing:
    """The thing that an id stands for."""
    if named := re.fullmatch(r"(?:v|(?P<name>[^:]+):v?)(?P<version>\d+)", beginning):
        given = {"name": named["name"] or model, "version": int(named["version"])}
        if connection.execute(
            "SELECT 1 FROM models WHERE name = $name AND version = $version", given
        ).fetchone():
            return Thing("model", given)
    for exactly in (True, False):  # the whole id costs less to look for than its beginning
        found = _things(connection, beginning, exactly=exactly)
        if len(found) == 1:
            return _with_row(connection, found[0])
        if found:
            break
    many = (
        f"{len(found)} rows, traces or snapshots begin with {beginning!r}"
        if found
        else f"nothing begins with {beginning!r}"
    )
    fix = 'give more of the id; `regrind sql "select row_id from membership"` lists rows'
    raise UserError(many, where="explain", fix=fix)


def _things(connection: duckdb.DuckDBPyConnection, beginning: str, *, exactly: bool) -> list[Thing]:
    """Rows, traces and snapshots with an id, or with one that begins so."""

    def ask(sql: str, column: str) -> list[Any]:
        condition = f"{column} = $b" if exactly else f"starts_with({column}, $b)"
        return connection.execute(sql.format(condition), {"b": beginning}).fetchall()

    traces = [row[0] for row in ask("SELECT id FROM traces WHERE {}", "id")]
    rows = dict(ask("SELECT row_id, max(trace) FROM membership WHERE {} GROUP BY row_id", "row_id"))
    rows |= {
        row: None for (row,) in ask("SELECT DISTINCT row_id FROM drops WHERE {}", "row_id") if row not in rows
    }
    snapshots = [row[0] for row in ask("SELECT id FROM snapshots WHERE {}", "id")]
    found = [Thing("row", {"id": row, "trace": trace}) for row, trace in rows.items()]
    found += [Thing("trace", {"id": None, "trace": trace}) for trace in traces]
    return found + [Thing("snapshot", {"id": one}) for one in snapshots]


def _with_row(connection: duckdb.DuckDBPyConnection, thing: Thing) -> Thing:
    """A trace with the row that was made from it, if there is one."""
    if thing.kind != "trace":
        return thing
    sql = "SELECT max(row_id) FROM membership WHERE trace = ?"
    row = connection.execute(sql, [thing.given["trace"]]).fetchone()
    return Thing("trace", thing.given | {"id": row[0] if row else None})
