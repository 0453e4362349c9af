"""Write a random model and a job that trains it: `python .ci/tiny_job.py MODEL JOBDIR`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.tiny import build_tiny_model

model, job = Path(sys.argv[1]), Path(sys.argv[2])
build_tiny_model(model)
job.mkdir(parents=True)
rows = [
    {
        "id": f"r{i}",
        "messages": [
            {"role": "user", "content": f"{word} my card please"},
            {"role": "assistant", "content": word},
        ],
    }
    for i, word in enumerate(["block", "unblock", "lost", "found"] * 5)
]
settings = {"base_model": str(model), "epochs": 10, "batch_size": 4, "learning_rate": 1e-2, "threads": 1}
(job / "settings.json").write_text(json.dumps(settings | {"eval_strategy": "epoch"}))
(job / "manifest.json").write_text('{"id": "tiny"}')
for name, part in (("train", rows[:16]), ("validation", rows[16:])):
    (job / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
