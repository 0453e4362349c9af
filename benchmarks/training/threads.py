"""What waiting costs: bf16 products on two threads that spin or sleep, alone and beside a busy process.

`python benchmarks/training/threads.py`
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import record

ROUNDS = 5
PRODUCT = """
import time, torch
torch.set_num_threads(2)
layer, rows = torch.nn.Linear(576, 1536, bias=False).bfloat16(), torch.randn(256, 576).bfloat16()
with torch.no_grad():
    for _ in range(20): layer(rows)
    began = time.perf_counter()
    for _ in range(400): layer(rows)
print(2 * 256 * 576 * 1536 * 400 / (time.perf_counter() - began) / 1e9)
"""
BUSY = "while True: pass"


def gflops(policy: str) -> float:
    """Median rate of several processes with one waiting policy, in 1e9 operations a second."""
    rates = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", PRODUCT],
            env=os.environ | {"OMP_WAIT_POLICY": policy},
            capture_output=True,
            text=True,
            check=True,
        )
        rates.append(float(done.stdout))
    return round(statistics.median(rates), 1)


def main() -> None:
    """Measure both policies in turn, first alone, then beside one busy process."""
    alone = {policy: gflops(policy) for policy in ("ACTIVE", "PASSIVE")}
    busy = subprocess.Popen([sys.executable, "-c", BUSY])
    try:
        beside = {policy: gflops(policy) for policy in ("ACTIVE", "PASSIVE")}
    finally:
        busy.kill()
        busy.wait()
    ratio = {
        "passive_over_active_alone": round(alone["PASSIVE"] / alone["ACTIVE"], 2),
        "passive_over_active_beside_a_busy_process": round(beside["PASSIVE"] / beside["ACTIVE"], 2),
    }
    record(
        "threads",
        {"command": "python benchmarks/training/threads.py", "gflops_alone": alone, "gflops_beside": beside}
        | ratio,
    )


if __name__ == "__main__":
    main()
