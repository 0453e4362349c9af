"""A workspace without a model, and a store filled by hand: what one finished loop would leave."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import polars as pl

from curation.files import resource
from curation.intake import read_file
from curation.parent import Growth
from curation.recipe import Dedup
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.steps import run_steps
from judge.correct import from_reference
from judge.frames import items_of
from judge.verdict import Verdict
from loop.evaluation import EVALUATIONS
from loop.ledger import Ledger, Outcome
from loop.offers import offered
from loop.snapshots import record
from loop.steps.correct import correction_rows
from loop.steps.merge import accepted
from loop.store import insert, publish, transaction, utc_now
from loop.traces import items, judged
from loop.verdicts import verdict_rows
from loop.workspace import Workspace
from tests.judge.judges import verdict_frame

if TYPE_CHECKING:
    from pathlib import Path

    from curation.manifest import Manifest

JUDGE = "reference/answer-v1/00000000"
CAPITALS = {
    "France": "Paris", "Japan": "Tokyo", "Kenya": "Nairobi", "Peru": "Lima", "Norway": "Oslo",
    "Egypt": "Cairo", "Cuba": "Havana", "Nepal": "Kathmandu", "Ghana": "Accra", "Chile": "Santiago",
    "Latvia": "Riga", "Oman": "Muscat",
}  # fmt: skip
POOL = {"p1": ("Which river crosses Vienna?", "Danube"), "p2": ("Who painted Guernica?", "Picasso")}
POOL |= {"p3": ("How many legs has a spider?", "8"), "p4": ("What melts at zero degrees?", "ice")}
HELDOUT = {"Which metal is liquid at room temperature?": "mercury", "What do bees make?": "honey"}
HELDOUT |= {"Which planet has the brightest rings?": "Saturn"}
CONFIG = """
[data]
pool = "data/pool.jsonl"
references = "data/references.jsonl"

[[heldout]]
name = "main"
file = "data/heldout.jsonl"
rubric = "rubrics/answer.toml"

[judge]
rubric = "rubrics/answer.toml"

[train]
base_model = "nowhere"
"""


def write_lines(path: Path, records: list[dict[str, Any]]) -> Path:
    """Write records as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf8")
    return path


def capitals() -> list[dict[str, str]]:
    """Twelve good rows that resemble each other in nothing, and a copy of the first at the end."""
    rows = [{"question": f"{country}: capital?", "answer": city} for country, city in CAPITALS.items()]
    return [*rows, rows[0]]


def build_workspace(root: Path) -> Workspace:
    """A workspace whose base model is a folder that looks like one: nothing here loads it."""
    for name in ("config.json", "tokenizer.json"):
        write_lines(root / "nowhere" / name, [{}])
    write_lines(root / "data" / "seed.jsonl", capitals())
    pool = [{"id": i, "messages": [{"role": "user", "content": q}]} for i, (q, _) in POOL.items()]
    write_lines(root / "data" / "pool.jsonl", pool)
    write_lines(root / "data" / "references.jsonl", [{"id": i, "reference": a} for i, (_, a) in POOL.items()])
    write_lines(root / "data" / "heldout.jsonl", [{"question": q, "answer": a} for q, a in HELDOUT.items()])
    shutil.copytree(resource("rubrics"), root / "rubrics")
    (root / "regrind.toml").write_text(CONFIG, encoding="utf8")
    return Workspace(root)


def filled(root: Path) -> tuple[Workspace, Manifest, Manifest]:
    """A workspace whose store tells of a seed and a feedback cycle; the two snapshots are real.

    Traces: p1 right, p2 and p4 wrong and corrected (p4's correction was rejected), p3 not judged for
    lack of a reply.
    """
    workspace = build_workspace(root)
    ledger = Ledger(workspace.store, workspace.view, "model")
    curated = run_steps(read_file(root / "data" / "seed.jsonl").rows, [Dedup()])
    first = write_snapshot(workspace.snapshots, curated, recipe={"n": 1}, split=Split(), heldout=[])
    seed = ledger.begin("seed", "key")
    with transaction(workspace.store) as connection:
        record(connection, workspace.snapshots / first.id, first, seed.id)
        for version, snapshot, status in ((0, None, "archived"), (1, first.id, "archived")):
            _model(connection, version, snapshot, status)
    ledger.complete(seed, 1, "curate", Outcome({"snapshot": first.id}, "a snapshot"), utc_now())
    ledger.close(seed, "finished")
    feedback = ledger.begin("feedback", "key")
    with transaction(workspace.store) as connection:
        _traces(connection, feedback.id)
        made = offered(judged(connection, feedback.id, JUDGE), accepted(connection, feedback.id), 0.7)
        second = write_snapshot(
            workspace.snapshots,
            begin(made),
            recipe={"n": 2},
            split=Split(),
            heldout=[],
            growth=Growth(first.id),
        )
        record(connection, workspace.snapshots / second.id, second, feedback.id)
        _model(connection, 2, second.id, "production")
        insert(connection, "evaluations", evaluations({0: [0, 0, 1], 1: [1, 0, 1], 2: [1, 1, 1]}))
        connection.execute(
            "INSERT INTO promotions VALUES (1, 2, 'model', 2, 1, 'v', 3, 0.333, 0.1, 0.9, 0.001, 0.005,"
            " 'promoted', 'proven better', '{}', '{}', ?)",
            [utc_now()],
        )
    ledger.complete(feedback, 1, "merge", Outcome({"snapshot": second.id}, "another"), utc_now())
    ledger.close(feedback, "finished")
    publish(workspace.store, workspace.view)
    return workspace, first, second


def _model(connection: Any, version: int, snapshot: str | None, status: str) -> None:
    values = ["model", version, "nowhere", "id", snapshot, status, None, "{}", "{}", utc_now()]
    connection.execute("INSERT INTO models VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def add_trace(connection: Any, identity: str, output: str, cycle: int | None = 1, **other: Any) -> None:
    """Insert one trace by hand; `other` names further columns."""
    values = {"id": identity, "source": "test", "event": identity, "time": utc_now(), "cycle": cycle}
    values |= {"model": "model", "version": 1, "output": output, "origin": "cycle"}
    values["messages"] = json.dumps([{"role": "user", "content": f"asks {identity}"}])
    values |= other
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT INTO traces ({', '.join(values)}) VALUES ({marks})", [*values.values()])


def _traces(connection: Any, cycle: int) -> None:
    outputs = {"p1": "Danube", "p2": "Monet", "p3": "8", "p4": "snow"}
    for event, (question, reference) in POOL.items():
        messages = json.dumps([{"role": "user", "content": question}])
        known = {"messages": messages, "reference": reference, "tags": ["quiz"]}
        add_trace(connection, f"trace-{event}", outputs[event], cycle, **known)
    scores = {"trace-p1": 1.0, "trace-p2": 0.0, "trace-p4": 0.0}
    asked = items_of(items(connection, cycle))
    verdicts = [
        Verdict(i.id, JUDGE, 0, "scored", scores[i.id], {"answer": scores[i.id]}, "compared", cost=0.25)
        if i.id in scores
        else Verdict(i.id, JUDGE, 0, "failed", feedback="no reply came")
        for i in asked
    ]
    insert(connection, "verdicts", verdict_rows(verdict_frame(verdicts, asked)))
    made = [
        from_reference(item, verdict, [lambda item, _: "no good" if item.id == "trace-p4" else None])
        for item, verdict in zip(asked, verdicts, strict=True)
        if verdict.score == 0
    ]
    insert(connection, "corrections", correction_rows(made, JUDGE, cycle))


def evaluations(scores: dict[int, list[float | None]], **other: Any) -> pl.DataFrame:
    """Rows of the table `evaluations`: the scores of each version on items a, b, c and so on.

    Args:
        scores: By version, one a item; None is an item that was not scored.
        other: Columns that are to hold something else than usual.
    """
    usual = {"model": "model", "heldout": "main", "heldout_version": "v", "judge": JUDGE, "tags": ["quiz"]}
    usual |= {"setup": "setup"}
    usual |= {"output": "o", "reference": "r", "criteria": "{}"}
    rows = [
        usual
        | {"version": version, "item": chr(97 + i), "score": score, "exact": score == 1}
        | {"state": "failed" if score is None else "scored"}
        | other
        for version, row in scores.items()
        for i, score in enumerate(row)
    ]
    return pl.DataFrame(rows, schema=EVALUATIONS, orient="row")
