"""Snapshots of many rows: writing one, growing it by few rows, and telling two apart beside reading both.

`python benchmarks/curation/snapshot.py [ROWS] [NEW]`; growth is measured from a tenth of the rows, too, to
see whether it costs as much as the new rows or as the old: the first one, which indexes the old rows, and
those that follow, with all that a cycle does for them: duplicates of old rows, held-out items, families,
files, the store. Each has a process of its own, for peak memory. A tenth of the rows is checked against
held-out items when it is written, the whole is not.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import measured, record

BEFORE = """
import json, sys, time
from pathlib import Path
import polars as pl
from curation.dedup import How
from record import peak_memory
from curation.difference import diff
from curation.heldout import freeze, without_heldout
from curation.manifest import read_manifest
from curation.old_index import open_index
from curation.old_rows import meet
from curation.parent import BESIDE, Growth
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.state import begin
from curation.steps import dedup_against
from curation.stored import first_rows
from loop.snapshots import record
from loop.store import transaction
root, first, count, more = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
rows = pl.scan_parquet(root / "rows.parquet").slice(first, count).collect()
items = [freeze("items", pl.read_parquet(root / "items.parquet"))]
def write(curated=None, growth=None, heldout=(), root=root):
    curated = begin(rows) if curated is None else curated
    return write_snapshot(root, curated, recipe={}, split=Split(), heldout=heldout, growth=growth)
def tell(manifest, root=root):
    with transaction(root / "store.duckdb") as connection:
        record(connection, root / manifest.id, manifest, 0)
def grow(parent, few, root=root):
    began, took = time.perf_counter(), {}
    def done(name):
        took[name] = round(time.perf_counter() - began - sum(took.values()), 2)
    met = meet(root / parent, rows, few=few)
    done("meet old rows")
    come = dedup_against(begin(rows), met.live, How(), met.shared)
    done("duplicates")
    without_heldout(rows, items, beside=first_rows(root / parent, BESIDE))
    done("held-out items")
    made = write(come, Growth(parent), root=root)
    done("families, splits, files")
    tell(made, root)
    done("store")
    return made.id, took
# the kernels are compiled before the clock starts
warm = root / "warm"
parts = rows[:50], rows[50:60]
rows = parts[0]
older = write(heldout=items, root=warm)
tell(older, warm)
rows = parts[1]
made = grow(write(begin(parts[0]), root=warm).id, 0, warm)
rows = pl.scan_parquet(root / "rows.parquet").slice(first, count).collect()
began = time.perf_counter()
"""
AFTER = """
seconds = time.perf_counter() - began
print(json.dumps([seconds, peak_memory(), found]))
"""
WRITE = "found = write().id"
CHECK = "found = write(heldout=items).id"
TELL = "found = tell(read_manifest(root / more[0]))"
GROW = "found = grow(more[0], 20_000)"
OPEN = "index = open_index(root / more[0], 0.8)[0]; found = [len(part.ids) for part in index]"
DIFF = "change = diff(root / more[0], root / more[1]); found = [part.height for part in change]"
READ = "found = [sum(pl.read_parquet(p).height for p in (root / i).glob('[tv]*.parquet')) for i in more]"
ITEMS = 500
GROWTHS = 4


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


def run(root: Path, code: str, first: int, count: int, *more: str) -> tuple[float, float, Any]:
    """Seconds, peak memory in GB, and what was found."""
    arguments = [str(root), str(first), str(count), *more]
    seconds, peak, found = measured(BEFORE + code + AFTER, *arguments)
    return round(seconds, 2), round(peak / 1e9, 2), found


def growths(root: Path, parents: dict[str, str], first: int, new: int) -> dict[str, dict[str, Any]]:
    """What growing from each parent took, in turn, so that all of them have the same neighbours."""
    took: dict[str, list[dict[str, Any]]] = {name: [] for name in parents}
    for number in range(GROWTHS):
        for name, parent in list(parents.items()):
            at = first + number * new
            seconds, peak, (parents[name], parts) = run(root, GROW, at, new, parent)
            took[name].append({"seconds": seconds, "peak_gb": peak} | parts)
    found = {}
    for name, parent in parents.items():
        opened, _, segments = run(root, OPEN, 0, 60, parent)
        later = [entry["seconds"] for entry in took[name][1:]]
        found[name] = {"first": took[name][0], "later": took[name][1:]}
        found[name] |= {"best_later": min(later), "median_later": statistics.median(later)}
        found[name] |= {"open_index": opened, "segments": segments}
    return found


def main() -> None:
    """Measure and record."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    new = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    result: dict[str, Any] = {"rows": rows, "new": new}
    with tempfile.TemporaryDirectory() as scratch:
        root, parents = Path(scratch), {}
        prepare(root, rows + GROWTHS * new)
        for name, count in (("a tenth", rows // 10), ("all", rows)):
            seconds, peak, parents[name] = run(root, WRITE, 0, count)
            result[name] = {"write": seconds, "peak_gb": peak}
            result[name]["store"] = run(root, TELL, 0, 60, parents[name])[0]
        whole = parents["all"]
        result["growth"] = growths(root, parents, rows, new)
        for told, key in (("ratio_of_best", "best_later"), ("ratio_of_medians", "median_later")):
            few, many = (result["growth"][name][key] for name in ("a tenth", "all"))
            result["growth"][told] = round(many / few, 2)
        other = run(root, WRITE, new, rows)[2]
        result["a tenth, checked"] = {"write": run(root, CHECK, 0, rows // 10)[0], "items": ITEMS}
        for name, pair in (
            ("of a parent and its child", (whole, parents["all"])),
            ("of two apart", (whole, other)),
        ):
            result[f"diff {name}"] = difference(root, pair)
    record("snapshot", result)


def difference(root: Path, pair: tuple[str, str]) -> dict[str, Any]:
    """Seconds of a diff beside those of reading both, in turn; the best of each."""
    times = [(run(root, DIFF, 0, 60, *pair), run(root, READ, 0, 60, *pair)) for _ in range(4)]
    took, read = (min(t[i][0] for t in times) for i in (0, 1))
    return {"diff": took, "read_both": read, "ratio": round(took / read, 2), "found": times[0][0][2]}


if __name__ == "__main__":
    main()
