"""Writes a snapshot of made-up rows, grows it, and prints both ids: the same wherever it runs.

usage: same_id.py FOLDER     (needs what curation needs, and nothing else)
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from curation.heldout import freeze
from curation.intake import read_file
from curation.parent import Growth
from curation.recipe import Dedup, Redact, Validate, recipe_of
from curation.rows import frame, make_row
from curation.snapshot import write_snapshot
from curation.split import Split
from curation.steps import run_steps
from curation.verify import verify

STEPS = (Validate(), Redact(), Dedup())
WORDS = "Straße naïve 東京 कमल don't x86 Ωmega river lantern quiet amber signal copper meadow harbor winter"


def lines(seed: int, count: int) -> str:
    """Question and answer lines in several scripts, some of them twice, some with an e-mail address."""
    rng = random.Random(seed)
    found = []
    for number in range(count):
        words = rng.choices(WORDS.split(), k=rng.randrange(4, 40))
        asked = " ".join(words[:-2]) + rng.choice(["?", " — really?", f" ask user{number}@example.org"])
        found.append(
            f'{{"question": "{asked}", "answer": "{" ".join(words[-2:])}", "label": "l{number % 3}"}}'
        )
    return "\n".join([*found, *rng.sample(found, count // 10)]) + "\n"


def main() -> None:
    """Write, grow, verify, print."""
    root = Path(sys.argv[1])
    root.mkdir(parents=True)
    held = freeze("h", frame([make_row([{"role": "user", "content": "Which river, and which lantern?"}])]))
    growth = None
    for seed, count in ((1, 400), (2, 60)):
        path = root / f"{seed}.jsonl"
        path.write_text(lines(seed, count), encoding="utf8")
        curated = run_steps(read_file(path, source="rows").rows, STEPS)
        manifest = write_snapshot(
            root,
            curated,
            recipe={"steps": recipe_of(STEPS)},
            split=Split(0.7, 0.2, 0.1, stratify="label"),
            heldout=[held],
            growth=growth,
        )
        assert verify(root / manifest.id) == []
        growth = Growth(manifest.id)
        print(manifest.id, manifest.splits)


if __name__ == "__main__":
    main()
