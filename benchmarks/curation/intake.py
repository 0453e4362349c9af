"""Reading 1M chat rows: ours, checked and quarantined, beside `datasets.load_dataset` just loading them.

`python benchmarks/curation/intake.py [ROWS]`; each in a process of its own, so that peak memory is its own.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import measured, record

ROUNDS = 3
TIMED = """
import json, sys, time
from pathlib import Path
from record import peak_memory
path, scratch = sys.argv[1:]
{before}
began = time.perf_counter()
{code}
seconds = time.perf_counter() - began
print(json.dumps([seconds, peak_memory(), rows]))
"""
PEER = TIMED.format(
    before="import datasets; datasets.disable_progress_bars()",
    code="rows = datasets.load_dataset('json', data_files=path, cache_dir=scratch, split='train').num_rows",
)
OURS = TIMED.format(
    before="from curation.intake import read_file",
    code="rows = read_file(Path(path), ids=False).rows.height",
)
NAMED = TIMED.format(
    before="from curation.intake import read_file",
    code="rows = read_file(Path(path)).rows.height",
)
RULES = TIMED.format(
    before="from curation.intake import read_file; from curation.validate import validate\n"
    "table = read_file(Path(path), ids=False).rows",
    code="validate(table); rows = table.height",
)


def write(path: Path, rows: int) -> None:
    """Chat rows of three turns; none is broken, because one would stop the peer."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]

    def text(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    with path.open("w", encoding="utf8") as stream:
        for _ in range(rows):
            turns = [("system", 8), ("user", 28), ("assistant", 40)]
            messages = [{"role": role, "content": text(count) + "."} for role, count in turns]
            stream.write(json.dumps({"messages": messages}) + "\n")


def measure(code: str, path: Path) -> tuple[float, int]:
    """Median seconds and the highest peak memory (bytes) of several processes."""
    runs = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as scratch:
            runs.append(measured(code, str(path), scratch))
    return statistics.median(run[0] for run in runs), max(run[1] for run in runs)


def main() -> None:
    """Measure and record."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, rows)
        size, load = path.stat().st_size, os.getloadavg()[0]
        peer, ours, named, rules = (measure(code, path) for code in (PEER, OURS, NAMED, RULES))
    result = {
        "command": f"python benchmarks/curation/intake.py {rows}",
        "rows": rows,
        "file_mb": round(size / 1e6),
        "load_before": round(load, 2),
        "seconds": {
            "datasets": round(peer[0], 2),
            "ours": round(ours[0], 2),
            "ours, with row ids": round(named[0], 2),
            "rules": round(rules[0], 2),
        },
        "ours_over_datasets": round(ours[0] / peer[0], 2),
        "ours_with_ids_over_datasets": round(named[0] / peer[0], 2),
        "rules_over_ours": round(rules[0] / ours[0], 2),
        "peak_over_file": {
            "datasets": round(peer[1] / size, 2),
            "ours": round(max(ours[1], named[1]) / size, 2),
        },
    }
    record("intake", result)


if __name__ == "__main__":
    main()
