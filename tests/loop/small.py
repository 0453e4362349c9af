"""A workspace that runs the whole loop in seconds: some of the shipped data, and a random two-layer model."""

from __future__ import annotations

import itertools
import json
import shutil
from typing import TYPE_CHECKING, Any

import duckdb

from curation.files import file_hash, resource
from curation.verify import verify
from loop.workspace import Workspace
from tests.tiny import build_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

LINES = {"seed.jsonl": 60, "pool.jsonl": 24, "pool.references.jsonl": 24}
LINES |= {"heldout.jsonl": 16, "general.jsonl": 8}
TIMES = {"started", "finished", "created", "time", "latency"}


def build_workspace(folder: Path) -> Workspace:
    """Write the workspace; `run_demo` goes on with a folder that has a regrind.toml."""
    (folder / "data").mkdir(parents=True)
    for name, count in LINES.items():
        with resource("safety", name).open(encoding="utf8") as stream:
            (folder / "data" / name).write_text("".join(itertools.islice(stream, count)), encoding="utf8")
    shutil.copytree(resource("rubrics"), folder / "rubrics")
    build_tiny_model(folder / "tiny")
    text = resource("safety", "regrind.toml").read_text(encoding="utf8")
    for old, new in (
        ('base_model = "smollm2-135m-instruct"', 'base_model = "tiny"\nthreads = 1\nprecision = "fp32"'),
        ("epochs = 4", "epochs = 6\nlearning_rate = 0.01"),
        ("last_layers = 10", "last_layers = 2"),
        ("max_length = 384", "max_length = 2000"),
        ("max_new_tokens = 10", "max_new_tokens = 3"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "regrind.toml").write_text(text, encoding="utf8")
    return Workspace(folder)


def final_state(workspace: Workspace) -> dict[str, Any]:
    """Everything that a run leaves, but for times and durations."""
    state: dict[str, Any] = {}
    with duckdb.connect(str(workspace.view), read_only=True) as connection:
        tables = connection.sql("SELECT table_name FROM duckdb_tables() ORDER BY 1").fetchall()
        for (table,) in tables:
            relation = connection.sql(f"SELECT * FROM {table} ORDER BY ALL")
            rows = [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]
            state[table] = [_timeless(row) for row in rows]
    for folder in sorted(workspace.snapshots.iterdir()):
        assert verify(folder) == []
        state[f"snapshot {folder.name}"] = file_hash(folder / "manifest.json")
    for path in sorted(workspace.model(0).parent.rglob("*")):
        if path.is_file():
            state[str(path.relative_to(workspace.hidden))] = file_hash(path)
    state["leftovers"] = [str(p) for p in workspace.hidden.rglob(".*.tmp")]
    state["spooled"] = [str(p) for p in workspace.spool.glob("*")] if workspace.spool.exists() else []
    return state


def _timeless(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in row.items() if key not in TIMES}
    if "metrics" in kept:
        metrics = json.loads(kept["metrics"])
        kept["metrics"] = {k: v for k, v in metrics.items() if k not in {"seconds", "tokens_per_second"}}
    return kept
