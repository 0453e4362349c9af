"""The benchmark of the store runs, in small."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.loop.store import QUERIES, measure


def test_the_benchmark_of_the_store_runs(tmp_path: Path) -> None:
    found = measure(tmp_path, total=3000, members=200, snapshots=2, rounds=1)
    assert found["traces"] == 3000
    assert found["median_ms"].keys() >= QUERIES.keys()
    assert found["bytes_a_trace_with_its_verdict"] > 0
