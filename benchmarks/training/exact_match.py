"""Exact match by teacher forcing beside generating the answers: CPU seconds, and whether they agree.

The base answers shipped held-out questions greedily, 64 in a batch.

`python benchmarks/training/exact_match.py`; needs `pip install 'regrind[train]'` and the embedded model.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

ROWS = 64


def main() -> None:
    """Measure both on the same rows, half of which the model does answer so."""
    import torch

    from curation.files import resource
    from loop.models import cache
    from training.embedded import EMBEDDED, find_model
    from training.evaluate import exact_match
    from training.generate import GenerateSettings, generate
    from training.model import load

    torch.set_num_threads(1)
    lines = resource("safety", "general.jsonl").read_text(encoding="utf8").splitlines()
    prompts = [json.loads(line)["messages"][:-1] for line in lines][:ROWS]
    loaded = load(find_model(EMBEDDED, cache()))
    settings = GenerateSettings(max_new_tokens=24, batch_size=64)
    warm_up = generate(loaded, prompts[:4], settings)
    began = time.process_time()
    answers = generate(loaded, prompts, settings)
    generating = time.process_time() - began
    # What the model said, where it ended by itself, is what it would say again; a word more is not.
    said = [answer.text + (" Indeed." if i % 2 else "") for i, answer in enumerate(answers)]
    rows = [
        [*prompt, {"role": "assistant", "content": text}] for prompt, text in zip(prompts, said, strict=True)
    ]
    exact_match(loaded, rows[: len(warm_up)])
    began = time.process_time()
    matched = exact_match(loaded, rows)
    forcing = time.process_time() - began
    expected = [
        answer.finish_reason == "stop" and answer.text == text
        for answer, text in zip(answers, said, strict=True)
    ]
    record(
        "exact_match",
        {
            "command": "python benchmarks/training/exact_match.py",
            "rows": len(rows),
            "cpu_seconds_generating": round(generating, 2),
            "cpu_seconds_teacher_forcing": round(forcing, 2),
            "times_faster": round(generating / forcing, 1),
            "matching_by_generation": sum(expected),
            "agreeing": sum(a == b for a, b in zip(matched, expected, strict=True)),
        },
    )


if __name__ == "__main__":
    main()
