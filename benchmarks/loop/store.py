"""The store with a million traces: ingest, look-ups, roll-ups, publishing, and bytes a trace.

`python benchmarks/loop/store.py [ROWS]`; each query opens the published copy, as `regrind sql` does.
"""

from __future__ import annotations

import hashlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import polars as pl
from record import record

from loop.explain import explain
from loop.store import insert, publish, query, rewrite, transaction
from loop.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

CYCLES, BATCH, ONE_BY_ONE, ROUNDS = 20, 250_000, 2000, 9
LOWEST = """
    WITH lowest AS MATERIALIZED (
        SELECT trace, score, feedback FROM verdicts WHERE score IS NOT NULL ORDER BY score, trace LIMIT 1000
    )
    SELECT l.score, l.feedback, t.messages, t.output FROM lowest l JOIN traces t ON t.id = l.trace
    ORDER BY l.score, t.id
"""
QUERIES = {
    "low-score queue of one cycle": "SELECT trace, score, feedback FROM low_scores"
    " WHERE cycle = 7 AND score < 0.7 LIMIT 50",
    "roll-up by cycle and version": "SELECT * FROM score_by_cycle",
    "roll-up of usage by day": "SELECT * FROM usage",
    "roll-up of judging cost": "SELECT * FROM judge_cost",
    "lowest 1000 with text": LOWEST,
    "lowest 1000 by the view low_scores": "SELECT * FROM low_scores LIMIT 1000",
}
CONFIG = '[data]\nseed = []\n[train]\nbase_model = "nowhere"\n'


class Texts:
    """Sentences of made-up words: phrases of eight, put together at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        words = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(5000)]
        self.rng, self.phrases = rng, pl.Series([" ".join(rng.choice(words, 8)) for _ in range(50_000)])

    def make(self, count: int, phrases: int) -> pl.Series:
        """Texts of so many phrases each."""
        places = [self.rng.integers(0, self.phrases.len(), count) for _ in range(phrases)]
        columns = pl.DataFrame({str(n): self.phrases.gather(p) for n, p in enumerate(places)})
        return columns.select(pl.concat_str(pl.all(), separator=" ")).to_series()


def traces(texts: Texts, first: int, count: int, total: int) -> pl.DataFrame:
    """Traces of some cycles: about 300 characters of prompt and of answer each."""
    numbers = np.arange(first, first + count)
    begin, end = pl.lit('[{"role": "user", "content": "'), pl.lit('"}]')
    prompt = pl.select(pl.concat_str(begin, texts.make(count, 6), end)).to_series()
    return pl.DataFrame(
        {
            "id": [hashlib.sha256(b"%d" % n).hexdigest()[:16] for n in numbers],
            "source": "benchmark",
            "event": [f"event-{n}" for n in numbers],
            "cycle": pl.Series(numbers * CYCLES // total + 1, dtype=pl.Int32),
            "version": pl.Series(numbers * 5 // total, dtype=pl.Int32),
            "messages": prompt,
            "output": texts.make(count, 6),
            "user_id": [f"user-{n % 5000}" for n in numbers],
        }
    ).with_columns(
        time=pl.lit(0).cast(pl.Datetime("us")) + pl.duration(minutes=pl.Series(numbers)),
        model=pl.lit("m"),
        origin=pl.lit("import"),
        tags=pl.lit(["quiz"]),
        cost=pl.lit(0.001),
        latency=pl.lit(0.5),
    )


def verdicts(texts: Texts, made: pl.DataFrame) -> pl.DataFrame:
    """A verdict on each trace."""
    return made.select(
        trace="id",
        judge=pl.lit("judge"),
        repeat=pl.lit(0),
        key=pl.Series([hashlib.sha256(i.encode()).hexdigest() for i in made["id"]]),
        state=pl.lit("scored"),
        score=pl.Series(texts.rng.random(made.height)),
        criteria=pl.lit("{}"),
        feedback=texts.make(made.height, 2),
        raw=texts.make(made.height, 3),
        stop_reason=pl.lit("end"),
        input_tokens=pl.lit(100),
        output_tokens=pl.lit(20),
        cost=pl.lit(0.001),
        time="time",
    )


def one_by_one(store: Path, rows: pl.DataFrame) -> float:
    """Rows a second of executemany, in one transaction."""
    marks = ", ".join("?" * rows.width)
    sql = f"INSERT INTO traces ({', '.join(rows.columns)}) VALUES ({marks})"
    values = [list(row) for row in rows.rows()]
    began = time.perf_counter()
    with transaction(store) as connection:
        connection.executemany(sql, values)
    return rows.height / (time.perf_counter() - began)


def fill(store: Path, total: int) -> tuple[float, str]:
    """Fill a store; returns the rows a second of the traces, and the id of one in the middle.

    The traces come in one transaction, as those of the comparison do.
    """
    texts = Texts(np.random.default_rng(0))
    made = [traces(texts, first, min(BATCH, total - first), total) for first in range(0, total, BATCH)]
    began = time.perf_counter()
    with transaction(store) as connection:
        for part in made:
            insert(connection, "traces", part)
    seconds = time.perf_counter() - began
    for part in made:
        given = verdicts(texts, part)
        with transaction(store) as connection:
            insert(connection, "verdicts", given, known="none")
    middle = made[len(made) // 2]
    return total / seconds, str(middle["id"][middle.height // 2])


def learn(workspace: Workspace, trace: str, rows: int = 50_000) -> None:
    """Ten snapshots with the rows of some traces; the last has its file, in which `explain` looks."""
    with transaction(workspace.store) as connection:
        ids = [r[0] for r in connection.execute("SELECT id FROM traces LIMIT ?", [rows]).fetchall()]
        ids = list(dict.fromkeys([trace, *ids]))
        for number in range(10):
            values = [
                f"snapshot-{number}",
                None,
                number,
                f"2026-01-{number + 1:02}",
                len(ids),
                len(ids),
                0,
                0,
                "{}",
            ]
            connection.execute("INSERT INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
            part = pl.DataFrame({"row_id": [f"row-{i}" for i in ids], "trace": ids}).with_columns(
                layer=pl.lit(values[0]),
                split=pl.lit("train"),
                origin=pl.lit("trace"),
                source=pl.lit("traces"),
            )
            insert(connection, "layer_rows", part, known="none")
            connection.execute("INSERT INTO layers VALUES (?, 0, ?)", [values[0], values[0]])
    folder = workspace.snapshots / "snapshot-0"
    folder.mkdir(parents=True)
    turn = [{"role": "user", "content": "x" * 300}, {"role": "assistant", "content": "y" * 300}]
    table = pl.DataFrame({"id": [f"row-{i}" for i in ids]}).with_columns(messages=pl.lit([turn]).list.first())
    table.write_parquet(folder / "train.parquet")


def median(work: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """Milliseconds, the median of some rounds."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return round(statistics.median(spent) * 1000, 1)


def main() -> None:
    """Measure and record."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "regrind.toml").write_text(CONFIG)
        workspace = Workspace(Path(scratch))
        slow = one_by_one(
            Path(scratch) / "slow.duckdb", traces(Texts(np.random.default_rng(1)), 0, ONE_BY_ONE, total)
        )
        fast, trace = fill(workspace.store, total)
        size = workspace.store.stat().st_size
        learn(workspace, trace)
        publishing = median(lambda: publish(workspace.store, workspace.view), 3)
        view = workspace.view
        spent = {"one trace by id": median(lambda: query(view, "SELECT * FROM traces WHERE id = ?", [trace]))}
        spent["explain a trace"] = median(lambda: explain(workspace, trace))
        spent["explain a row"] = median(lambda: explain(workspace, f"row-{trace}"))
        spent |= {name: median(lambda sql=sql: query(view, sql)) for name, sql in QUERIES.items()}
        rewriting = median(lambda: rewrite(workspace.store), 1)
    result = {
        "command": f"python benchmarks/loop/store.py {total}",
        "traces": total,
        "load_before": round(load, 2),
        "rows_a_second": {
            "executemany, one transaction": round(slow),
            "frames, one transaction": round(fast),
        },
        "bulk_over_executemany": round(fast / slow, 1),
        "bytes_a_trace_with_its_verdict": round(size / total),
        "publish_ms": publishing,
        "rewrite_ms (COPY FROM DATABASE)": rewriting,
        "median_ms": spent,
    }
    record("store", result)


if __name__ == "__main__":
    main()
