"""A cluster of near-duplicates that is a tenth of the rows: what it costs to find and to name it.

`python benchmarks/curation/near_cluster.py [ROWS]`. Beside the seconds stand those of the processor, of all
threads: they say more where the machine was not idle.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import record

from curation.dedup import How, drop_duplicates
from curation.rows import frame, make_row
from curation.split import assign_families

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

VOCABULARY = [f"w{i}" for i in range(20_000)]


def edited(rng: random.Random, text: list[str], edits: int) -> list[str]:
    """A text with so many words replaced."""
    changed = list(text)
    for _ in range(edits):
        changed[rng.randrange(len(changed))] = rng.choice(VOCABULARY)
    return changed


def rows(count: int) -> pl.DataFrame:
    """Rows of random words, every tenth one an edit of the same prompt and answer."""
    rng = random.Random(1)
    base = rng.choices(VOCABULARY, k=60), rng.choices(VOCABULARY, k=40)
    made = []
    for line in range(count):
        texts = rng.choices(VOCABULARY, k=50), rng.choices(VOCABULARY, k=40)
        if line % 10 == 0:
            texts = edited(rng, base[0], rng.randrange(3)), edited(rng, base[1], rng.randrange(2))
        turns = [
            {"role": r, "content": " ".join(t)} for r, t in zip(("user", "assistant"), texts, strict=True)
        ]
        made.append(make_row(turns, line=line))
    return frame(made)


def timed(work: Callable[[], Any]) -> dict[str, float]:
    """Seconds, and those of the processor."""
    began, busy = time.perf_counter(), time.process_time()
    work()
    return {
        "seconds": round(time.perf_counter() - began, 2),
        "processor": round(time.process_time() - busy, 2),
    }


def main() -> None:
    """Measure and record."""
    table = rows(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
    few = table.head(1000)
    result: dict[str, Any] = {"rows": table.height, "load_before": round(os.getloadavg()[0], 1)}
    for mode in ("anchored", "connected"):
        drop_duplicates(few, How(mode=mode))
        result[mode] = timed(functools.partial(drop_duplicates, table, How(mode=mode)))
    assign_families(few)
    result["families"] = timed(lambda: assign_families(table))
    record("near_cluster", result)


if __name__ == "__main__":
    main()
