"""What validation reads when children cross the split: `python benchmarks/curation/lineage.py FILE`.

FILE is `data_full.json` of clinc/oos-eval (CC-BY-3.0). Rows with three noisy children each are split with
the children at their parents' side, and without regard to them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from downstream import SEEDS, Labelled, clinc, interval, score
from record import record

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.rows import frame, make_row, prompt_text
from curation.split import assign_families, assign_splits


def illusion(data: list[list[str]], test: Labelled) -> dict[str, Any]:
    """What validation reads when children cross the split, and when they stay with their parents."""
    crossing, kept, held = [], [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        chosen = [data[i] for i in rng.permutation(len(data))[:1500]]
        rows = frame(
            make_row(turns(text, label), source="clinc", line=i) for i, (text, label) in enumerate(chosen)
        )
        children = augment(rows, Augment(share=3, per_parent=3, seed=seed)).children
        table = assign_splits(assign_families(pl.concat([rows, children])), {"train": 0.8, "validation": 0.2})
        train, validation = (labelled(table.filter(split=name)) for name in ("train", "validation"))
        kept.append(score(train, validation))
        held.append(score(train, test))
        mixed = table.sample(fraction=1, shuffle=True, seed=seed)
        cut = round(0.8 * mixed.height)
        crossing.append(score(labelled(mixed[:cut]), labelled(mixed[cut:])))
    return {
        "validation_when_children_cross": round(float(np.mean(crossing)), 4),
        "validation_when_children_stay": round(float(np.mean(kept)), 4),
        "test": round(float(np.mean(held)), 4),
        "illusion": interval(crossing, kept)["gain"],
        "interval": interval(crossing, kept)["interval"],
    }


def turns(text: str, label: str) -> list[dict[str, str]]:
    """A chat of a text and its label."""
    return [{"role": "user", "content": text}, {"role": "assistant", "content": label}]


def labelled(rows: pl.DataFrame) -> Labelled:
    """Texts and labels of rows."""
    lists = rows["messages"].to_list()
    return [prompt_text(chat) for chat in lists], [chat[-1]["content"] for chat in lists]


def main() -> None:
    """Measure and store."""
    result = {"command": "python benchmarks/curation/lineage.py CLINC.json", "seeds": len(SEEDS)}
    record("augmentation_lineage", result | illusion(*clinc(Path(sys.argv[1]))))


if __name__ == "__main__":
    main()
