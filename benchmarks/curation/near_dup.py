"""Near-duplicates at Jaccard 0.8: ours beside datasketch and rensa, on the same rows, one process each.

`pip install -e '.[train,bench]'`, then `python benchmarks/curation/near_dup.py [ROWS] [ROUNDS] [NAME ...]`;
the names are those of the processes, such as `ours rensa`, all unless given. Of a million rows the peers
take minutes and many gigabytes. `NEAR_DUP_ROWS` may name a folder that keeps the rows, because to make a
million takes minutes, too; `MEASURED_UNDER` may hold a command that is put before each measured process,
such as one that waits until the machine is idle. Beside the seconds stand those of the processor, of all
threads: they say more where the machine was not idle.
The time is from the texts in memory to the rows that would be dropped, and, for ours, also from a JSONL
file to the written result beside `datasets.load_dataset` of that file. Recall: the dropped rows among those
that should be; one should be dropped that stays although it is like another planted row that stays.
Precision: the rows that are like another planted one among the dropped. From file to file prompts and
answers are compared each, else the text of both.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import statistics
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import near_dup_data as data
from record import measured, record

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMED = """
import json, re, sys, time
from pathlib import Path
import polars as pl
from record import peak_memory
folder = Path(sys.argv[1])
{before}
began, busy = time.perf_counter(), time.process_time()
{code}
seconds, busy = time.perf_counter() - began, time.process_time() - busy
peak = peak_memory()
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
def rows(name, ids=True):
    return read_file(folder / name, ids=ids).rows
def index():
    return open_known(folder / "old.jsonl", how, lambda: rows("old.jsonl")).known
few = rows("few.jsonl")
drop_against(index_rows(few.head(900), how), few.tail(100), how)
"""
FILES = {
    "ours, file to file": TIMED.format(
        before=READ,
        code="found = drop_duplicates(rows('rows.jsonl', ids=False))\n"
        "write_rows(found.rows, folder / 'out.jsonl')\ngone = found.drops['line'] - 1",
    ),
    "ours in 1 GB, file to file": TIMED.format(
        before=READ + "drop_duplicates(few, memory=10**9)",
        code="found = drop_duplicates(rows('rows.jsonl', ids=False), memory=10**9)\n"
        "write_rows(found.rows, folder / 'out.jsonl')\ngone = found.drops['line'] - 1",
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
NEW = 0.01
"""The share of the rows that are compared with the others as new ones."""

WHOLE, BOUNDED = "ours, file to file", "ours in 1 GB, file to file"
ANEW, INDEX = "old and new, compared anew", "new against the index"
LOAD, EXACT = "datasets, load only", "exact, in memory"


class Run(NamedTuple):
    """One measured process: its time, peak memory and finds, and the load of the machine before it."""

    seconds: float
    peak: int
    busy: float
    gone: list[int]
    load: float


def measure(code: str, folder: Path, name: str) -> Run:
    """Run code in a process of its own."""
    result, load = folder / f"{name}.json", os.getloadavg()[0]
    under = shlex.split(os.environ.get("MEASURED_UNDER", ""))
    seconds, peak, busy = measured(code, str(folder), str(result), under=under)
    run = Run(seconds, peak, busy, json.loads(result.read_text()), load)
    shutil.rmtree(f"{result}.cache", ignore_errors=True)
    print(f"{name}: {seconds:.2f} s, {peak >> 20} MB, load {load:.1f}", file=sys.stderr, flush=True)
    return run


def judged(made: list[dict[str, Any]], gone: list[int], *, whole: bool) -> dict[str, float]:
    """Recall and precision of the dropped rows against the planted truth.

    Args:
        made: The rows.
        gone: Those that were dropped, by place.
        whole: Whether prompt and answer were compared as one text.
    """
    parts = {
        r["id"]: [f"{r['prompt']}\n{r['answer']}"] if whole else [r["prompt"], r["answer"]] for r in made
    }
    family: dict[int, list[int]] = {}
    for row in made:
        family.setdefault(row["id"] if row["of"] is None else row["of"], []).append(row["id"])
    dropped = {made[i]["id"] for i in gone}
    found = missed = right = 0
    for members in family.values():
        like = {m: {o for o in members if o != m and _alike(parts[m], parts[o])} for m in members}
        concerned = [m for m in members if like[m]]
        stay = [m for m in concerned if m not in dropped]
        missed += sum(bool(like[m] & set(stay[:place])) for place, m in enumerate(stay))
        right += len(concerned) - len(stay)
        found += min(len(concerned) - len(stay), max(0, len(concerned) - 1))
    recall, precision = found / max(1, found + missed), right / max(1, len(dropped))
    return {"recall": round(recall, 4), "precision": round(precision, 4)}


def _alike(one: list[str], other: list[str]) -> bool:
    return all(data.similarity(a, b) >= data.THRESHOLD for a, b in zip(one, other, strict=True))


def write_files(folder: Path, made: list[dict[str, Any]]) -> None:
    """The rows in every form that is measured."""
    new = max(1, int(NEW * len(made)))
    for name, part in (("rows", made), ("few", made[:1000]), ("old", made[:-new]), ("new", made[-new:])):
        data.write(folder / f"{name}.jsonl", part)
    texts = pl.DataFrame({"text": [f"{r['prompt']}\n{r['answer']}" for r in made]})
    texts.write_parquet(folder / "texts.parquet")


@contextlib.contextmanager
def rows_in_folder(count: int) -> Iterator[tuple[Path, list[dict[str, Any]]]]:
    """The rows, and a folder with them in every form: one that is kept, where that is wished."""
    kept = os.environ.get("NEAR_DUP_ROWS")
    with contextlib.ExitStack() as stack:
        folder = Path(kept or stack.enter_context(tempfile.TemporaryDirectory())) / str(count)
        made = folder / "made.json"
        if not made.exists():
            folder.mkdir(parents=True, exist_ok=True)
            rows = data.rows(count)
            write_files(folder, rows)
            made.write_text(json.dumps(rows), encoding="utf8")
        yield folder, json.loads(made.read_text(encoding="utf8"))


def ratios(seconds: dict[str, float], count: int) -> dict[str, float]:
    """What the seconds say of those that were measured."""

    def over(one: str, other: str) -> float | None:
        return round(seconds[one] / seconds[other], 3) if {one, other} <= seconds.keys() else None

    found = {
        "file_to_file_over_datasets": over(WHOLE, LOAD),
        "memory_bound_costs": over(BOUNDED, WHOLE),
        "index_over_anew": over(INDEX, ANEW),
        "exact_rows_per_second": round(count / seconds[EXACT]) if EXACT in seconds else None,
        "over_ours": {t: r for t in TOOLS if t != "ours" and (r := over(t, "ours")) is not None},
    }
    return {name: value for name, value in found.items() if value}


def main() -> None:
    """Measure and record."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    tools = {t: code for t, code in (FILES | TOOLS).items() if t in sys.argv[3:] or not sys.argv[3:]}
    runs: dict[str, list[Run]] = {}
    with rows_in_folder(count) as (folder, made):
        file_bytes = (folder / "rows.jsonl").stat().st_size
        for number in range(rounds):
            for tool, code in tools.items():
                if tool == "index of the old":
                    shutil.rmtree(folder / ".old.jsonl.known", ignore_errors=True)
                if tool != "datasketch" or number == 0:
                    runs.setdefault(tool, []).append(measure(code, folder, f"{tool}{number}"))
    seconds = {tool: statistics.median(run.seconds for run in of) for tool, of in runs.items()}
    result = {
        "command": shlex.join(
            ["python", "benchmarks/curation/near_dup.py", str(count), str(rounds), *sys.argv[3:]]
        ),
        "rows": count,
        "text_mb": round(sum(len(r["prompt"]) + len(r["answer"]) for r in made) / 1e6),
        "file_mb": round(file_bytes / 1e6),
        "seconds": {tool: round(s, 2) for tool, s in seconds.items()},
        "processor_seconds": {t: round(min(r.busy for r in of), 2) for t, of in runs.items()},
        "load_before": {tool: round(max(run.load for run in of), 1) for tool, of in runs.items()},
        "peak_over_file": {t: round(max(r.peak for r in of) / file_bytes, 2) for t, of in runs.items()},
        **ratios(seconds, count),
        "judged": {
            tool: judged(made, of[0].gone, whole=tool in TOOLS)
            for tool, of in runs.items()
            if tool in {*TOOLS, WHOLE, BOUNDED} - {"hash only"}
        },
    }
    if {ANEW, INDEX} <= runs.keys():
        result["index_drops_the_same"] = sorted(runs[ANEW][0].gone) == sorted(runs[INDEX][0].gone)
    record(f"near_dup_{count}", result)


if __name__ == "__main__":
    main()
