"""Explain: everything that touched a row or a trace, from one id."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from curation.rows import answer_text, prompt_text
from curation.stored import read_rows
from loop.store import query

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loop.workspace import Workspace

PARTS = {
    "snapshots": "SELECT snapshot, split, origin, source, line, parents FROM membership"
    " JOIN snapshots s ON s.id = snapshot WHERE row_id = $id ORDER BY s.created, source, line",
    "drops": "SELECT snapshot, step, reason, source, line, partner_id, partner_source, partner_line,"
    " similarity, detail FROM drops WHERE row_id = $id ORDER BY ALL",
    "children": "SELECT DISTINCT row_id FROM membership WHERE list_contains(parents, $id) ORDER BY row_id",
    "traces": "SELECT id, cycle, model, version, time, output, reference, finish_reason, mean_entropy"
    " FROM traces WHERE id = $trace",
    "verdicts": "SELECT judge, state, score, criteria, feedback, cost FROM verdicts WHERE trace = $trace",
    "corrections": "SELECT author, state, reason, output FROM corrections WHERE trace = $trace",
    "models": "SELECT name, version, status, snapshot FROM models"
    " WHERE snapshot IN (SELECT snapshot FROM membership WHERE row_id = $id) ORDER BY version",
}
"""One query a part; `$id` is the row, `$trace` the trace that it came from."""


def explain(workspace: Workspace, beginning: str) -> dict[str, Any]:
    """Collect the story of a row or a trace.

    Args:
        workspace: Where.
        beginning: Id of a row or a trace, or how it begins.

    Returns:
        `row`, `trace`, `prompt`, `answer`, and one list for each of `PARTS`.

    Raises:
        UserError: Nothing has that id, or several things do.
    """
    row, trace = _identify(workspace, beginning)
    given = {"id": row or "", "trace": trace or ""}
    found: dict[str, Any] = {"row": row, "trace": trace, "prompt": None, "answer": None}
    for name, sql in PARTS.items():
        used = {key: value for key, value in given.items() if f"${key}" in sql}
        found[name] = query(workspace.view, sql, used).to_dicts()
    for entry in found["snapshots"][:1]:
        rows = read_rows(workspace.snapshots / entry["snapshot"], entry["split"])
        messages = rows.filter(id=row)["messages"].to_list()[0]
        found["prompt"], found["answer"] = prompt_text(messages), answer_text(messages)
    return found


def _identify(workspace: Workspace, beginning: str) -> tuple[str | None, str | None]:
    """The row and the trace that an id stands for."""
    sql = (
        "SELECT row_id AS row, max(trace) AS trace FROM membership"
        "   WHERE starts_with(row_id, $b) GROUP BY row_id"
        " UNION SELECT row_id, NULL FROM drops WHERE starts_with(row_id, $b)"
        "   AND row_id NOT IN (SELECT row_id FROM membership)"
        " UNION SELECT (SELECT max(row_id) FROM membership WHERE trace = t.id), t.id FROM traces t"
        "   WHERE starts_with(t.id, $b)"
    )
    found = query(workspace.view, sql, {"b": beginning}).rows()
    if len(found) == 1:
        return found[0]
    many = (
        f"{len(found)} rows or traces begin with {beginning!r}"
        if found
        else f"nothing begins with {beginning!r}"
    )
    fix = 'give more of the id; `regrind sql "select row_id from membership"` lists rows'
    raise UserError(many, where="explain", fix=fix)


def story(found: dict[str, Any]) -> Iterator[str]:
    """The story in lines for people."""
    yield f"row {found['row'] or '-'}" + (f", from trace {found['trace']}" if found["trace"] else "")
    if found["prompt"] is not None:
        yield f"  prompt: …{found['prompt'][-120:]!r}"
        yield f"  answer: {found['answer']!r}"
    yield from _data_lines(found)
    for t in found["traces"]:
        yield f"  said by {t['model']} v{t['version']} in cycle {t['cycle']}: {t['output']!r}"
    for v in found["verdicts"]:
        score = f"{v['score']:.2f}" if v["score"] is not None else v["state"]
        yield f"  judged by {v['judge']}: {score} {json.loads(v['criteria'])} {v['feedback']}".rstrip()
    for c in found["corrections"]:
        yield f"  corrected by {c['author']}, {c['state']}: {c['output']!r} {c['reason']}".rstrip()
    for m in found["models"]:
        yield f"  trained into {m['name']} v{m['version']} ({m['status']}) with snapshot {m['snapshot']}"


def _data_lines(found: dict[str, Any]) -> Iterator[str]:
    for s in found["snapshots"]:
        place = _place(s["source"], s["line"])
        yield f"  in snapshot {s['snapshot']} ({s['split']}), {s['origin']}, from {place}"
        if s["parents"]:
            yield f"    made from row {', '.join(s['parents'])}"
    for d in found["drops"]:
        place = _place(d["source"], d["line"])
        yield f"  dropped by {d['step']} on the way to {d['snapshot']}: {d['reason']} ({place})"
        if d["partner_id"]:
            partner = f"{d['partner_id']} ({_place(d['partner_source'], d['partner_line'])})"
            yield f"    for row {partner}, similarity {d['similarity']:.3f}"
    for child in found["children"]:
        yield f"  parent of row {child['row_id']}"


def _place(source: str, line: int | None) -> str:
    return f"{source} line {line}" if line else source
