"""How well and how fast personal data is found: labelled texts, Python's own sources, a million rows.

`python benchmarks/curation/pii.py`
"""

from __future__ import annotations

import statistics
import sys
import sysconfig
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

from curation.files import resource
from curation.intake import read_file
from curation.pii import find
from curation.redact import candidates, redact
from tests.curation.labelled import read, score

ROWS, ROUNDS = 1_000_000, 3
FILES = ("ml_engineering", "software_engineering")


def sources() -> dict[str, Any]:
    """What is found in the standard library: nearly all of it but addresses of authors is a false alarm."""
    library = Path(sysconfig.get_path("stdlib"))
    paths = [*library.glob("*.py"), *library.glob("[a-su-z]*/*.py")]
    texts = [
        path.read_text(encoding="utf8", errors="replace")
        for path in sorted(paths)
        if "site-" not in str(path)
    ]
    counts = Counter(s.kind for text in texts for part in text.split("\n\n") for s in find(part))
    return {"megabytes": round(sum(map(len, texts)) / 1e6, 1), "found": dict(sorted(counts.items()))}


def speed() -> dict[str, Any]:
    """Seconds for many clean rows, of which some have a word such as `token` and must be looked at."""
    base = pl.concat([read_file(resource("chain", f"{name}.jsonl")).rows for name in FILES])
    rows = base[[i % base.height for i in range(ROWS)]]
    seconds: dict[str, list[float]] = {"prefilter": [], "redact": []}
    for _ in range(ROUNDS):
        for name, work in (("prefilter", candidates), ("redact", redact)):
            began = time.perf_counter()
            work(rows)
            seconds[name].append(time.perf_counter() - began)
    text = rows["messages"].explode().struct.field("content").str.len_bytes().sum()
    return {
        "rows": ROWS,
        "megabytes": round(text / 1e6),
        "candidates": round(len(candidates(rows)) / ROWS, 4),
        "seconds": {name: round(statistics.median(values), 1) for name, values in seconds.items()},
    }


def main() -> None:
    """Measure and store."""
    parts = {part: score(read(part)) for part in ("tuning", "test")}
    record("pii", {"labelled": parts, "standard_library": sources(), "speed": speed()})


if __name__ == "__main__":
    main()
