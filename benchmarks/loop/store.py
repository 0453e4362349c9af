"""The store with a million traces: ingest, look-ups, roll-ups, publishing, and bytes a trace.

`python benchmarks/loop/store.py [ROWS]`; each query opens the published copy, as `regrind sql` does. Ingest
is what `regrind trace import` does with what it has read: batches in the spool, from there into the store.
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

from curation.parent import Growth
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from judge.verdict import Item, Verdict
from loop.arrivals import drain, keep
from loop.explain import explain
from loop.imports.batch import LABELS, PAYLOADS, RUNS, TRACES, Batch
from loop.imports.run import ROWS as BATCH
from loop.offers import offered
from loop.snapshots import record as record_snapshot
from loop.store import insert, publish, query, rewrite, transaction
from loop.traces import Judged, plain_turns
from loop.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable

CYCLES, ONE_BY_ONE = 20, 2000
QUERIES = {
    "low-score queue of one cycle": "SELECT trace, score, feedback FROM lowest"
    " WHERE cycle = 7 AND score < 0.7 LIMIT 50",
    "roll-up by cycle and version": "SELECT * FROM score_by_cycle",
    "roll-up of usage by day": "SELECT * FROM usage",
    "roll-up of judging cost": "SELECT * FROM judge_cost",
    "lowest 1000 with text": "SELECT score, feedback, messages, output FROM lowest"
    " ORDER BY score, trace LIMIT 1000",
    "lowest 1000 of the view low_scores": "SELECT * FROM low_scores LIMIT 1000",
}
CONFIG = '[data]\nseed = []\n[train]\nbase_model = "nowhere"\n'


class Texts:
    """Sentences of made-up words: phrases of eight, put together at random."""

    def __init__(self, rng: np.random.Generator) -> None:
        letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
        spelled = rng.choice(letters, (5000, 10)), rng.integers(2, 10, 5000)
        words = np.array(["".join(word[:length]) for word, length in zip(*spelled, strict=True)])
        phrases = words[rng.integers(0, words.size, (50_000, 8))]
        self.rng, self.phrases = rng, pl.Series([" ".join(phrase) for phrase in phrases])

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


def fill(workspace: Workspace, total: int) -> tuple[float, float]:
    """Fill a store; returns the seconds into the spool, and from there into the store."""
    texts = Texts(np.random.default_rng(0))
    nothing = PAYLOADS.to_frame(), LABELS.to_frame(), RUNS.to_frame()
    spooling = 0.0
    for first in range(0, total, BATCH):
        made = traces(texts, first, min(BATCH, total - first), total)
        part = pl.concat([TRACES.to_frame(), made], how="diagonal")
        began = time.perf_counter()
        keep(workspace.arrivals, Batch(part, *nothing))
        spooling += time.perf_counter() - began
    began = time.perf_counter()
    drain(workspace.store, workspace.arrivals)
    seconds = time.perf_counter() - began
    for first in range(0, total, BATCH * 5):
        with transaction(workspace.store) as connection:
            found = connection.execute(
                "SELECT id, time FROM traces ORDER BY time LIMIT ? OFFSET ?", [BATCH * 5, first]
            )
            insert(connection, "verdicts", verdicts(texts, found.pl()), known="none")
    return spooling, seconds


def learn(workspace: Workspace, rows: int, snapshots: int) -> str:
    """So many snapshots that grow to the rows of so many traces; returns the id of a trace among them."""
    with transaction(workspace.store) as connection:
        found = connection.execute("SELECT id, messages, output FROM traces LIMIT ?", [rows]).fetchall()
    judged = [
        Judged(Item(id=i, messages=plain_turns(m), output=o), Verdict(i, "judge", 0, "scored", 1.0), [])
        for i, m, o in found
    ]
    late = max(rows // 100, 1)
    parent = None
    for number in range(snapshots):
        ends = rows - late * (snapshots - 1 - number)
        new = begin(offered(judged[0 if number == 0 else ends - late : ends], {}, 0.5))
        growth = Growth(parent) if parent else None
        how = {"recipe": {"n": number}, "split": Split(), "heldout": []}
        manifest = write_snapshot(workspace.snapshots, new, **how, growth=growth)
        with transaction(workspace.store) as connection:
            record_snapshot(connection, workspace.snapshots / manifest.id, manifest, number)
        parent = manifest.id
    return str(found[rows // 2][0])


def median(work: Callable[[], Any], rounds: int) -> float:
    """Milliseconds, the median of some rounds."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return round(statistics.median(spent) * 1000, 1)


def asked(workspace: Workspace, trace: str, rounds: int) -> dict[str, float]:
    """Median milliseconds of each question, the opening of the copy with it."""
    view = workspace.view
    row = str(explain(workspace, trace)["row"])
    by_id = f"SELECT * FROM traces WHERE id = '{trace}'"
    spent = {"one trace by id": median(lambda: query(view, by_id), rounds)}
    spent["explain a trace"] = median(lambda: explain(workspace, trace), rounds)
    spent["explain a row"] = median(lambda: explain(workspace, row), rounds)
    return spent | {name: median(lambda sql=sql: query(view, sql), rounds) for name, sql in QUERIES.items()}


def measure(root: Path, total: int, members: int, snapshots: int, rounds: int) -> dict[str, Any]:
    """Fill a store in a folder and time it.

    Args:
        root: An empty folder.
        total: Traces.
        members: Rows of the last snapshot.
        snapshots: How many there are.
        rounds: Of each question.
    """
    (root / "regrind.toml").write_text(CONFIG)
    workspace = Workspace(root)
    singly = one_by_one(
        root / "slow.duckdb", traces(Texts(np.random.default_rng(1)), 0, min(ONE_BY_ONE, total // 10), total)
    )
    spooling, seconds = fill(workspace, total)
    size = workspace.store.stat().st_size
    trace = learn(workspace, members, snapshots)
    publishing = median(lambda: publish(workspace.store, workspace.view), 3)
    spent = asked(workspace, trace, rounds)
    rewriting = median(lambda: rewrite(workspace.store), 1)
    return {
        "traces": total,
        "rows_a_second": {
            "executemany, one transaction": round(singly),
            "into the spool": round(total / spooling),
            "from the spool into the store": round(total / seconds),
        },
        "bulk_over_executemany": round(total / seconds / singly, 1),
        "bulk_with_spool_over_executemany": round(total / (seconds + spooling) / singly, 1),
        "bytes_a_trace_with_its_verdict": round(size / total),
        "bytes_of_the_copy": workspace.view.stat().st_size,
        "publish_ms": publishing,
        "rewrite_ms (COPY FROM DATABASE)": rewriting,
        "median_ms": spent,
    }


def main() -> None:
    """Measure and record."""
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    load = round(os.getloadavg()[0], 2)
    with tempfile.TemporaryDirectory() as scratch:
        found = measure(Path(scratch), total, members=min(50_000, total), snapshots=10, rounds=25)
    command = f"python benchmarks/loop/store.py {total}"
    record("store", {"command": command, "load_before": load} | found)


if __name__ == "__main__":
    main()
