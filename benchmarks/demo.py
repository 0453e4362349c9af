"""How long `regrind demo` takes, step by step, and how much memory: `python benchmarks/demo.py`."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from record import record

REGRIND = str(Path(sys.executable).with_name("regrind"))
STEPS = """
SELECT cycle, name, round(epoch(finished) - epoch(started), 1) AS seconds FROM steps ORDER BY cycle, position
"""


def main() -> None:
    """Run the demo once in an empty folder, its model converted already, as `make` leaves it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = str(Path(scratch) / "demo")
        load, began = os.getloadavg()[0], time.perf_counter()
        done = subprocess.run(
            [REGRIND, "demo", folder, "--json"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        wall = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        steps = subprocess.run(
            [REGRIND, "sql", "-w", folder, STEPS, "--json"], capture_output=True, text=True, check=True
        )
    summary = json.loads(done.stdout)
    result = {
        "command": "python benchmarks/demo.py",
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_memory_gb": round(used.ru_maxrss / 1e6, 2),
        "load_before": round(load, 2),
        "steps": json.loads(steps.stdout),
        "scores": summary["scores"],
        "decisions": [d["reason"] for d in summary["decisions"]],
    }
    record("demo", result)


if __name__ == "__main__":
    main()
