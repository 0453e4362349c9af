"""Exact match by teacher forcing beside generating the answers: CPU seconds, and whether they agree.

64 prompts, answered greedily by the base in one batch, in batches as `generate` makes them unless told
otherwise, and one by one. Half of the answers of the one batch are then the expected ones, and in the other
half one word is another. Long answers in fp32, where all must agree, and in bf16; short ones.

`python benchmarks/training/exact_match.py`; needs `pip install 'regrind[train]'` and the embedded model.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

ROWS = 64
BATCHES = (ROWS, 16, 1)
LONG, SHORT = ("Describe {} in two or three sentences.", 100), ("Is there such a thing as {}?", 24)
JOBS = {"long, fp32": (*LONG, "fp32"), "long, bf16": (*LONG, "bf16"), "short, bf16": (*SHORT, "bf16")}


def main() -> None:
    """Measure both on the same rows."""
    import torch

    torch.set_num_threads(1)
    found = {}
    for name, job in JOBS.items():
        found[name] = _both(*job)
        print(name, found[name], file=sys.stderr, flush=True)
    record(
        "exact_match", {"command": "python benchmarks/training/exact_match.py", "rows": ROWS, "jobs": found}
    )


def _both(question: str, most: int, precision: str) -> dict[str, Any]:
    from loop.models import cache
    from training.embedded import EMBEDDED, find_model
    from training.exact import exact_match
    from training.generate import GenerateSettings, generate
    from training.model import load

    loaded = load(find_model(EMBEDDED, cache()), precision=precision)
    prompts = [[{"role": "user", "content": question.format(topic)}] for topic in _topics()]
    generate(loaded, prompts[:4], GenerateSettings(max_new_tokens=4))
    answers, generating = {}, {}
    for size in BATCHES:
        began = time.process_time()
        answers[size] = generate(loaded, prompts, GenerateSettings(max_new_tokens=most, batch_size=size))
        generating[size] = time.process_time() - began
    said = _half_changed([answer.text for answer in answers[ROWS]])
    rows = [
        [*prompt, {"role": "assistant", "content": text}] for prompt, text in zip(prompts, said, strict=True)
    ]
    exact_match(loaded, rows[:4])
    began = time.process_time()
    matched = exact_match(loaded, rows)
    forcing = time.process_time() - began
    expected = {
        size: [a.finish_reason == "stop" and a.text == t for a, t in zip(given, said, strict=True)]
        for size, given in answers.items()
    }
    return {
        "mean_answer_tokens": round(sum(answer.output_tokens for answer in answers[ROWS]) / ROWS, 1),
        "cpu_seconds_teacher_forcing": round(forcing, 2),
        "matching": sum(matched),
        "beside_batches_of": {
            size: {
                "cpu_seconds_generating": round(generating[size], 2),
                "times_faster": round(generating[size] / forcing, 1),
                "agreeing": sum(a == b for a, b in zip(matched, expected[size], strict=True)),
            }
            for size in BATCHES
        },
    }


def _topics() -> list[str]:
    from curation.files import resource

    lines = resource("safety", "general.jsonl").read_text(encoding="utf8").splitlines()
    return list(dict.fromkeys(json.loads(line)["messages"][-1]["content"] for line in lines))[:ROWS]


def _half_changed(texts: list[str]) -> list[str]:
    """Every other answer with one word replaced, wherever it stands."""
    place = random.Random(0)
    words = [text.split(" ") for text in texts]
    for answer in words[1::2]:
        answer[place.randrange(len(answer))] = "perhaps"
    return [" ".join(answer) for answer in words]


if __name__ == "__main__":
    main()
