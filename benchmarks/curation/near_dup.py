"""Near-duplicates at Jaccard 0.8: ours beside datasketch and rensa, on the same rows, one process each.

`pip install -e '.[train,bench]'`, then `python benchmarks/curation/near_dup.py [ROWS] [ROUNDS]`; from half a
million rows on the peers are left out, which take minutes and many gigabytes. `MEASURED_UNDER` may hold a
command that is put before each measured process, such as one that waits until the machine is idle. Beside the
seconds stand those of the processor, of all threads: they say more where the machine was not idle.
The time is from the texts in memory to the rows that would be dropped, and, for ours, also from a JSONL file
to the written result beside `datasets.load_dataset` of that file. Recall: the planted duplicates that are
dropped. Precision: the dropped rows that are like a row that stays, or, for rensa, which flags both rows of a
pair, like any other row.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import near_dup_data as data
from record import record

TIMED = """
import json, re, resource, sys, time
from pathlib import Path
import polars as pl
folder = Path(sys.argv[1])
{before}
began, busy = time.perf_counter(), time.process_time()
{code}
seconds, busy = time.perf_counter() - began, time.process_time() - busy
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
Path(sys.argv[2]).write_text(json.dumps([int(i) for i in gone]))
print(json.dumps([seconds, peak, busy]))
"""
TEXTS = "texts = pl.read_parquet(folder / 'texts.parquet')['text']\n"
LIST = (
    TEXTS
    + """
texts = texts.to_list()
word = re.compile(r"\\w+").findall
def shingles(text):
    words = word(text.lower())
    return [" ".join(words[i : i + 3]) for i in range(len(words) - 2)]
"""
)
RENSA = """
matrix = RMinHash.digest_matrix_from_token_sets{mode}([shingles(t) for t in texts], 128, 42)
index = RMinHashLSH(threshold=0.8, num_perm=128, num_bands=16)
gone = [i for i, flag in enumerate(index.query_duplicate_flags_matrix_one_shot(matrix)) if flag]
"""
OURS = TEXTS + "from curation.near import keep_first\nkeep_first(texts.head(1000), 0.8)"
TOOLS = {
    "ours": TIMED.format(before=OURS, code="gone = (keep_first(texts, 0.8)[0] >= 0).nonzero()[0]"),
    "hash only": TIMED.format(
        before=OURS + "\nfrom curation.compiled import over\nfrom curation.near.pipeline import of_list\n"
        "from curation.near.shingling import shingle_sets",
        code="blocks, read = of_list(texts)\n"
        "gone = [0 for _ in over(lambda b: shingle_sets(read(b)), range(blocks), None)][:0]",
    ),
    "rensa": TIMED.format(
        before=LIST + "from rensa import RMinHash, RMinHashLSH", code=RENSA.format(mode="")
    ),
    "rensa rho": TIMED.format(
        before=LIST + "from rensa import RMinHash, RMinHashLSH", code=RENSA.format(mode="_rho")
    ),
    "datasketch": TIMED.format(
        before=LIST + "from datasketch import MinHash, MinHashLSH",
        code="""
index, gone = MinHashLSH(threshold=0.8, num_perm=128), []
for i, text in enumerate(texts):
    sketch = MinHash(num_perm=128)
    sketch.update_batch([s.encode() for s in shingles(text)])
    if index.query(sketch):
        gone.append(i)
    else:
        index.insert(i, sketch)
""",
    ),
}
READ = """
from curation.dedup import How, drop_duplicates, drop_known
from curation.export import write_rows
from curation.intake import read_file
from curation.known import drop_against, index_rows
from curation.known_cache import open_known
how = How()
def rows(name):
    return read_file(folder / name).rows
def index():
    return open_known(folder / "old.jsonl", how, lambda: rows("old.jsonl")).known
few = rows("few.jsonl")
drop_against(index_rows(few.head(900), how), few.tail(100), how)
"""
FILES = {
    "ours, file to file": TIMED.format(
        before=READ,
        code="write_rows(drop_duplicates(rows('rows.jsonl')).rows, folder / 'out.jsonl')\ngone = []",
    ),
    "ours in 1 GB, file to file": TIMED.format(
        before=READ + "drop_duplicates(few, memory=10**9)",
        code="found = drop_duplicates(rows('rows.jsonl'), memory=10**9)\n"
        "write_rows(found.rows, folder / 'out.jsonl')\ngone = []",
    ),
    "exact, in memory": TIMED.format(
        before=READ + "everyone = rows('rows.jsonl')\ndrop_duplicates(few, How(near=False))",
        code="drop_duplicates(everyone, How(near=False))\ngone = []",
    ),
    "old and new, compared anew": TIMED.format(
        before=READ,
        code="found = drop_known(rows('old.jsonl'), rows('new.jsonl'), how)\n"
        "write_rows(found.rows, folder / 'fresh.jsonl')\ngone = found.drops['line']",
    ),
    "index of the old": TIMED.format(before=READ, code="index()\ngone = []"),
    "new against the index": TIMED.format(
        before=READ,
        code="found = drop_against(index(), rows('new.jsonl'), how).found\n"
        "write_rows(found.rows, folder / 'fresh.jsonl')\ngone = found.drops['line']",
    ),
    "datasets, load only": TIMED.format(
        before="import datasets; datasets.disable_progress_bars()",
        code="datasets.load_dataset('json', data_files=str(folder / 'rows.jsonl'), split='train',"
        " cache_dir=sys.argv[2] + '.cache')\ngone = []",
    ),
}
MANY = 500_000
NEW = 0.01
"""The share of the rows that are compared with the others as new ones."""


class Run(NamedTuple):
    """One measured process: its time, peak memory and finds, and the load of the machine before it."""

    seconds: float
    peak: int
    busy: float
    gone: list[int]
    load: float


def measure(code: str, folder: Path, name: str) -> Run:
    """Run code in a process of its own."""
    result = folder / f"{name}.json"
    before = shlex.split(os.environ.get("MEASURED_UNDER", ""))
    load = os.getloadavg()[0]
    command = [*before, sys.executable, "-c", code, str(folder), str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    run = Run(*json.loads(done.stdout.splitlines()[-1]), json.loads(result.read_text()), load)
    shutil.rmtree(f"{result}.cache", ignore_errors=True)
    print(f"{name}: {run.seconds:.2f} s, {run.peak >> 20} MB, load {load:.1f}", file=sys.stderr, flush=True)
    return run


def _alike(a: str, b: str) -> bool:
    return data.similarity(a, b) >= data.THRESHOLD


def judged(made: list[dict[str, Any]], gone: list[int]) -> dict[str, float]:
    """Recall and precision of the dropped rows against the planted truth."""
    texts = {row["id"]: f"{row['prompt']}\n{row['answer']}" for row in made}
    family: dict[int, list[int]] = {}
    for row in made:
        family.setdefault(row["id"] if row["of"] is None else row["of"], []).append(row["id"])
    dropped = {made[i]["id"] for i in gone}
    expected = found = right = 0
    for members in family.values():
        kept: list[int] = []
        for member in members:
            alike = [o for o in members if o != member and _alike(texts[member], texts[o])]
            goes = bool(set(alike) & set(kept))
            expected += goes
            found += goes and member in dropped
            right += member in dropped and bool(alike)
            kept += [] if goes else [member]
    return {"recall": round(found / max(1, expected), 4), "precision": round(right / max(1, len(dropped)), 4)}


def write_files(folder: Path, made: list[dict[str, Any]]) -> int:
    """The rows in every form that is measured; the bytes of the JSONL file."""
    new = max(1, int(NEW * len(made)))
    for name, part in (("rows", made), ("few", made[:1000]), ("old", made[:-new]), ("new", made[-new:])):
        data.write(folder / f"{name}.jsonl", part)
    texts = pl.DataFrame({"text": [f"{r['prompt']}\n{r['answer']}" for r in made]})
    texts.write_parquet(folder / "texts.parquet")
    return (folder / "rows.jsonl").stat().st_size


def main() -> None:
    """Measure and record."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    tools = {tool: code for tool, code in TOOLS.items() if count < MANY or tool in {"ours", "hash only"}}
    runs: dict[str, list[Run]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = data.rows(count)
        file_bytes = write_files(folder, made)
        for number in range(rounds):
            for tool, code in (FILES | tools).items():
                if tool == "index of the old":
                    shutil.rmtree(folder / ".old.jsonl.known", ignore_errors=True)
                if tool != "datasketch" or number == 0:
                    runs.setdefault(tool, []).append(measure(code, folder, f"{tool}{number}"))
    seconds = {tool: statistics.median(run.seconds for run in of) for tool, of in runs.items()}
    anew, index = "old and new, compared anew", "new against the index"
    whole = "ours, file to file"
    result = {
        "command": f"python benchmarks/curation/near_dup.py {count} {rounds}",
        "rows": count,
        "text_mb": round(sum(len(r["prompt"]) + len(r["answer"]) for r in made) / 1e6),
        "file_mb": round(file_bytes / 1e6),
        "seconds": {tool: round(s, 2) for tool, s in seconds.items()},
        "processor_seconds": {t: round(min(r.busy for r in of), 2) for t, of in runs.items()},
        "load_before": {tool: round(max(run.load for run in of), 1) for tool, of in runs.items()},
        "over_ours": {tool: round(seconds[tool] / seconds["ours"], 1) for tool in tools if tool != "ours"},
        "file_to_file_over_datasets": round(seconds[whole] / seconds["datasets, load only"], 2),
        "memory_bound_costs": round(seconds["ours in 1 GB, file to file"] / seconds[whole], 2),
        "index_over_anew": round(seconds[index] / seconds[anew], 3),
        "index_drops_the_same": sorted(runs[anew][0].gone) == sorted(runs[index][0].gone),
        "exact_rows_per_second": round(count / seconds["exact, in memory"]),
        "peak_over_file": {t: round(max(r.peak for r in of) / file_bytes, 2) for t, of in runs.items()},
        "judged": {tool: judged(made, runs[tool][0].gone) for tool in tools if tool != "hash only"},
    }
    record(f"near_dup_{count}", result)


if __name__ == "__main__":
    main()
