"""The story of a row, a trace, a snapshot or a model in lines for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def story(found: dict[str, Any]) -> Iterator[str]:
    """A story from `loop.explain.explain`, in lines."""
    match found["kind"]:
        case "snapshot":
            yield from _snapshot(found)
        case "model":
            yield from _model(found)
        case _:
            yield from _row(found)


def _row(found: dict[str, Any]) -> Iterator[str]:
    yield f"row {found['row'] or '-'}" + (f", from trace {found['trace']}" if found["trace"] else "")
    if found["prompt"] is not None:
        yield f"  prompt: …{found['prompt'][-120:]!r}"
        yield f"  answer: {found['answer']!r}"
    if found["no_text"]:
        yield f"  {found['no_text']}"
    yield from _data_lines(found)
    for t in found["traces"]:
        yield f"  said by {_named(t)} {_when(t)}: {t['output']!r}"
    for p in found["payloads"]:
        yield f"  imported from {p['format']}" + (
            f"; no column holds {', '.join(p['unmapped'])}" * bool(p["unmapped"])
        )
    for label in found["labels"]:
        said = ", ".join(str(label[k]) for k in ("score", "label", "comment") if label[k] is not None)
        yield f"  labelled by {label['author']}: {label['name']} {said}"
    for v in found["verdicts"]:
        score = f"{v['score']:.2f}" if v["score"] is not None else v["state"]
        yield f"  judged by {v['judge']}: {score} {json.loads(v['criteria'])} {v['feedback']}".rstrip()
    for c in found["corrections"]:
        yield f"  corrected by {c['author']}, {c['state']}: {c['output']!r} {c['reason']}".rstrip()
    for m in found["models"]:
        yield f"  trained into {m['name']} v{m['version']} ({m['status']}) with snapshot {m['snapshot']}"
    for p in found["promotions"]:
        yield f"  v{p['candidate']} {p['decision']} in cycle {p['cycle']}: {p['reason']}"


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


def _snapshot(found: dict[str, Any]) -> Iterator[str]:
    (s,) = found["snapshots"]
    yield f"snapshot {s['id']}, written {_when(s)}: {s['rows_in']} rows in"
    for number, parent in enumerate(found["parents"], start=1):
        yield f"  {'grew from' if number == 1 else 'which grew from'} {parent['id']}"
    for o in found["origins"]:
        yield f"  {o['rows']} {o['split']} rows: {o['origin']}"
    for t in found["learned_from"]:
        yield f"  {t['traces']} traces of {_named(t)} {_when(t)}"
    for d in found["drops"]:
        yield f"  {d['rows']} rows dropped by {d['step']}: {d['reason']}"
    for m in found["models"]:
        yield f"  trained into {m['name']} v{m['version']} ({m['status']})"
    for child in found["children"]:
        yield f"  grew into {child['id']}"


def _model(found: dict[str, Any]) -> Iterator[str]:
    (m,) = found["models"]
    yield f"model {m['name']} v{m['version']} ({m['status']}), from {m['base']}"
    if m["snapshot"]:
        yield f"  trained on snapshot {m['snapshot']}"
    for e in found["evaluations"]:
        mean = "no score" if e["mean_score"] is None else f"{e['mean_score']:.3f}"
        yield f"  scored {mean} on {e['heldout']} ({e['items']} items), by {e['judge']}"
    for p in found["promotions"]:
        pair = f"v{p['candidate']} against v{p['incumbent']}"
        yield f"  cycle {p['cycle']}: {pair}, {p['decision']}: {p['reason']}"
    for s in found["said"]:
        mean = "not judged" if s["mean_score"] is None else f"mean score {s['mean_score']:.3f}"
        yield f"  said {s['traces']} traces {_when(s)}: {mean}"
    for t in found["taught"]:
        yield f"  {t['rows']} rows of snapshot {t['snapshot']} come from what it said"


def _named(trace: dict[str, Any]) -> str:
    name = trace["model"] or "an unnamed model"
    return name if trace["version"] is None else f"{name} v{trace['version']}"


def _when(found: dict[str, Any]) -> str:
    """In which cycle, or else outside of any."""
    if found["cycle"]:
        return f"in cycle {found['cycle']}"
    return f"at {found['time']:%Y-%m-%d %H:%M} UTC" if found.get("time") else "outside of any cycle"


def _place(source: str, line: int | None) -> str:
    return f"{source} line {line}" if line else source
