"""What synonyms word by word do to a classifier: `python benchmarks/curation/synonyms.py CLINC.json FILE`.

CLINC.json is `data_full.json` of clinc/oos-eval (CC-BY-3.0), FILE `th_en_US_v2.dat` of Debian's
mythes-en-us, which is made from WordNet. Accuracy on the test rows, trained on some rows, and on the same
rows with three children each: by synonyms, and by noise.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from downstream import SEEDS, Labelled, clinc, interval, score
from lineage import labelled, turns
from record import record

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.augmentation.thesaurus import Thesaurus, read_thesaurus
from curation.rows import frame, make_row

SIZES, CHILDREN = (300, 1500), 3
WORDS = ("week", "flight", "account")


def measured(data: list[list[str]], test: Labelled, thesaurus: Thesaurus, size: int) -> dict[str, Any]:
    """Accuracy without children and what each kind of children adds, over the seeds."""
    plain, added = [], {"synonyms": [], "noise": []}
    for seed in SEEDS:
        chosen = [data[i] for i in np.random.default_rng(seed).permutation(len(data))[:size]]
        rows = frame(make_row(turns(t, label), source="clinc", line=i) for i, (t, label) in enumerate(chosen))
        plain.append(score(labelled(rows), test))
        step = Augment(share=CHILDREN, per_parent=CHILDREN, seed=seed)
        for name, words in (("synonyms", thesaurus), ("noise", None)):
            children = augment(rows, step, thesaurus=words).children
            added[name].append(score(labelled(pl.concat([rows, children])), test))
    gains = {name: interval(scores, plain) for name, scores in added.items()}
    return {"rows": size, "accuracy": round(float(np.mean(plain)), 4)} | {
        name: {"accuracy": found["accuracy"], "gain": found["gain"], "interval": found["interval"]}
        for name, found in gains.items()
    }


def main() -> None:
    """Measure and store."""
    train, test = clinc(Path(sys.argv[1]))
    thesaurus = read_thesaurus(Path(sys.argv[2]))
    result = {
        "command": "python benchmarks/curation/synonyms.py CLINC.json th_en_US_v2.dat",
        "seeds": len(SEEDS),
        "children_per_row": CHILDREN,
        "sizes": [measured(train, test, thesaurus, size) for size in SIZES],
        "synonyms": {word: thesaurus.get(word, ()) for word in WORDS},
    }
    record("augmentation_synonyms", result)


if __name__ == "__main__":
    main()
