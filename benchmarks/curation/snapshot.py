"""Snapshots of many rows: writing one, growing it by few rows, and telling two apart beside reading both.

`python benchmarks/curation/snapshot.py [ROWS] [NEW]`; growth is measured from a tenth of the rows, too, to
see whether it costs as much as the new rows or as the old. Each has a process of its own, for peak memory.
A tenth of the rows is checked against held-out items, the whole is not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import measured, record

BEFORE = """
import json, sys, time
from pathlib import Path
import polars as pl
from record import peak_memory
from curation.difference import diff
from curation.heldout import freeze
from curation.snapshot import Growth, write_snapshot
from curation.split import Split
from curation.state import begin
root, first, count, more = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
rows = pl.scan_parquet(root / "rows.parquet").slice(first, count).collect()
items = [freeze("items", pl.read_parquet(root / "items.parquet"))]
def write(growth=None, heldout=()):
    return write_snapshot(root, begin(rows), recipe={}, split=Split(), heldout=heldout, growth=growth)
# the kernels are compiled before the clock starts
write_snapshot(root / "warm", begin(rows.head(50)), recipe={}, split=Split(), heldout=items)
began = time.perf_counter()
"""
AFTER = """
seconds = time.perf_counter() - began
print(json.dumps([seconds, peak_memory(), found]))
"""
WRITE = "found = write().id"
CHECK = "found = write(heldout=items).id"
GROW = "found = write(Growth(more[0])).id"
DIFF = "change = diff(root / more[0], root / more[1]); found = [part.height for part in change]"
READ = "found = [sum(pl.read_parquet(p).height for p in (root / i).glob('[tv]*.parquet')) for i in more]"
ITEMS = 500


def prepare(root: Path, count: int) -> None:
    """Rows of a question of about 28 words and an answer of about 40, and items to keep out."""
    import polars as pl
    from made_up import prompts

    from curation.rows import frame, with_ids

    def turns(asked: pl.Series, said: pl.Series) -> pl.DataFrame:
        none = pl.lit(None, dtype=pl.String)
        turn = [
            pl.struct(role=pl.lit(role), content=name, extra=none)
            for role, name in (("user", "asked"), ("assistant", "said"))
        ]
        table = pl.DataFrame({"asked": asked, "said": said}).select(messages=pl.concat_list(*turn))
        empty = frame([])
        table = table.select(
            pl.lit("").alias("id"),
            "messages",
            pl.lit([], dtype=pl.List(pl.String)).alias("tags"),
            pl.lit("made up").alias("source"),
            pl.int_range(pl.len(), dtype=pl.Int64).alias("line"),
            pl.lit([], dtype=pl.List(pl.String)).alias("parents"),
            pl.lit(None, dtype=pl.String).alias("family"),
            pl.lit("{}").alias("meta"),
        )
        return with_ids(table.select(empty.columns).cast(dict(empty.schema)))

    turns(prompts(count, 28, 1), prompts(count, 40, 2)).write_parquet(root / "rows.parquet")
    turns(prompts(ITEMS, 28, 3), prompts(ITEMS, 40, 4)).write_parquet(root / "items.parquet")


def run(root: Path, code: str, first: int, count: int, *more: str) -> tuple[float, float, object]:
    """Seconds, peak memory in GB, and what was found."""
    arguments = [str(root), str(first), str(count), *more]
    seconds, peak, found = measured(BEFORE + code + AFTER, *arguments)
    return round(seconds, 2), round(peak / 1e9, 2), found


def main() -> None:
    """Measure and record."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    new = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    result: dict[str, object] = {"rows": rows, "new": new}
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        prepare(root, rows + new)
        for name, count in (("a tenth", rows // 10), ("all", rows)):
            seconds, peak, whole = run(root, WRITE, 0, count)
            grown_in, grown_peak, grown = run(root, GROW, rows, new, str(whole))
            result[name] = {"write": seconds, "peak_gb": peak, "grow": grown_in, "grow_peak_gb": grown_peak}
        other = run(root, WRITE, new, rows)[2]
        result["a tenth, checked"] = {"write": run(root, CHECK, 0, rows // 10)[0], "items": ITEMS}
        for name, pair in (("of a parent and its child", (whole, grown)), ("of two apart", (whole, other))):
            times = [
                (run(root, DIFF, 0, 50, *map(str, pair)), run(root, READ, 0, 50, *map(str, pair)))
                for _ in range(3)
            ]
            took, read = (statistics.median(t[i][0] for t in times) for i in (0, 1))
            ratio = round(took / read, 2)
            result[f"diff {name}"] = {
                "diff": took,
                "read_both": read,
                "ratio": ratio,
                "found": times[0][0][2],
            }
    record("snapshot", result)


if __name__ == "__main__":
    main()
