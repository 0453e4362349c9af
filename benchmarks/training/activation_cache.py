"""What the activation cache saves: CPU seconds of a retrain after 10% more rows, last 10 of 30 layers.

Each run begins from the base and has the same epochs: without a cache, and with one that is kept, first
cold and then with a tenth of the rows new. All in fp32, where the same rows must come to the same loss.
Once with few rows, where loading, checking and saving weigh, and once with as many as a small job has.

`python benchmarks/training/activation_cache.py`; needs `pip install 'regrind[train]'` and the embedded model.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

JOBS = {"60 rows, then 66": (60, 66), "300 rows, then 330": (300, 330)}
SETTINGS: dict[str, Any] = {"last_layers": 10, "epochs": 3, "batch_size": 10, "threads": 1, "save_steps": 0}
# In bf16 two ways to the same states differ by rounding, and three epochs make 0.02 of that.
SETTINGS["precision"] = "fp32"


def main() -> None:
    """Run all, and store CPU seconds and ratios."""
    from curation.files import resource
    from curation.intake import read_file

    good = read_file(resource("safety", "seed.jsonl")).rows
    rows = [row for one in good.iter_rows(named=True) if (row := _row(one))]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        _cpu_seconds(Path(folder) / "warm-up", "off", rows[:1], Path(folder))
        for name, (before, after) in JOBS.items():
            (Path(folder) / name).mkdir()
            found[name] = _compared(Path(folder) / name, rows[:before], rows[:after])
            print(name, found[name], file=sys.stderr, flush=True)
    command = "python benchmarks/training/activation_cache.py"
    record("activation_cache", {"command": command, "jobs": found})


def _compared(
    folder: Path, before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> dict[str, dict[str, float] | float]:
    without = _cpu_seconds(folder / "without", "off", after, folder)
    first = _cpu_seconds(folder / "first", "kept", before, folder)
    again = _cpu_seconds(folder / "again", "kept", after, folder)
    return {
        "without_a_cache": without,
        "kept_first": first,
        "kept_after_10_percent_more": again,
        "kept_over_none": round(again["cpu_seconds"] / without["cpu_seconds"], 3),
        "loss_difference": round(abs(again["loss"] - without["loss"]), 6),
    }


def _row(row: dict[str, Any]) -> dict[str, Any] | None:
    """A row of the shipped data, some of which is wrong on purpose."""
    turns = [(turn["role"], (turn["content"] or "").strip()) for turn in row["messages"]]
    if [role for role, _ in turns] != ["user", "assistant"] or not all(text for _, text in turns):
        return None
    messages = [{"role": turn["role"], "content": turn["content"]} for turn in row["messages"]]
    return {"id": row["id"], "messages": messages}


def _cpu_seconds(job: Path, how: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, float]:
    from loop.models import cache
    from training.embedded import EMBEDDED, find_model
    from training.job import run

    job.mkdir()
    base = str(find_model(EMBEDDED, cache()))
    settings = SETTINGS | {"base_model": base, "activation_cache": how}
    (job / "settings.json").write_text(json.dumps(settings))
    (job / "manifest.json").write_text('{"id": "benchmark"}')
    (job / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (job / "validation.jsonl").write_text("")
    began = time.process_time()
    result = run(job, cache=folder / "cache")
    return {"cpu_seconds": round(time.process_time() - began, 1), "loss": result["train_loss_last"]}


if __name__ == "__main__":
    main()
