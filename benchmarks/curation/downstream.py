"""Whether selection and lineage matter to a classifier: `python benchmarks/curation/downstream.py FILE`.

FILE is `data_full.json` of clinc/oos-eval (CC-BY-3.0). Is a classifier better when it is trained on a
selection than on as many random rows, and what does validation read when children cross the split?
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy import stats
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

from curation.augmentation.augment import augment
from curation.augmentation.settings import Augment
from curation.rows import frame, make_row, prompt_text
from curation.selection.select import select
from curation.split import assign_families, assign_splits
from tests.curation.selection.texts import plain_limits

SEEDS, SIZES, METHODS = range(6), (300, 750, 1500), ("kcenter", "facility")
POOL = 6_000
Labelled = tuple[list[str], list[str]]


def score(train: Labelled, test: Labelled) -> float:
    """Accuracy of TF-IDF and logistic regression."""
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=200))
    return float(model.fit(*train).score(*test))


def pool_of(data: list[list[str]], seed: int, *, skewed: bool) -> Labelled:
    """Rows to select from: all intents alike, or as many of each as Zipf's law says."""
    rng = np.random.default_rng(seed)
    names = sorted({label for _, label in data})
    shares = 1 / np.arange(1, len(names) + 1) if skewed else np.ones(len(names))
    wanted = dict(zip(rng.permutation(names), np.maximum(2, shares / shares.sum() * POOL), strict=True))
    taken: dict[str, int] = dict.fromkeys(names, 0)
    texts, labels = [], []
    for i in rng.permutation(len(data)):
        text, label = data[i]
        if taken[label] < wanted[label]:
            taken[label] += 1
            texts.append(text)
            labels.append(label)
    return texts, labels


def against_random(data: list[list[str]], test: Labelled, *, skewed: bool) -> list[dict[str, Any]]:
    """Accuracy of each method less that of a random pick of the same size, over the seeds."""
    results = []
    for most in SIZES:
        scores: dict[str, list[float]] = {name: [] for name in ("random", *METHODS)}
        for seed in SEEDS:
            texts, labels = pool_of(data, seed, skewed=skewed)
            for name, found in scores.items():
                picks = select(pl.Series(texts), plain_limits(most, len(texts)), method=name, seed=seed).picks
                found.append(score(([texts[i] for i in picks], [labels[i] for i in picks]), test))
        results += [{"method": n, "picks": most} | interval(scores[n], scores["random"]) for n in METHODS]
    return results


def interval(ours: list[float], chance: list[float]) -> dict[str, Any]:
    """Mean difference with the 95% t interval of the paired differences."""
    gains = np.array(ours) - np.array(chance)
    half = float(stats.t.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains)))
    mean = float(gains.mean())
    bounds = [round(mean - half, 4), round(mean + half, 4)]
    return {
        "accuracy": round(float(np.mean(ours)), 4),
        "random": round(float(np.mean(chance)), 4),
        "gain": round(mean, 4),
        "interval": bounds,
    }


def illusion(data: list[list[str]], test: Labelled) -> dict[str, Any]:
    """What validation reads when children cross the split, and when they stay with their parents."""
    crossing, kept, held = [], [], []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        chosen = [data[i] for i in rng.permutation(len(data))[:1500]]
        rows = frame(
            make_row(_turns(text, label), source="clinc", line=i) for i, (text, label) in enumerate(chosen)
        )
        children = augment(rows, Augment(share=3, per_parent=3, seed=seed)).children
        table = assign_splits(assign_families(pl.concat([rows, children])), {"train": 0.8, "validation": 0.2})
        train, validation = (_labelled(table.filter(split=name)) for name in ("train", "validation"))
        kept.append(score(train, validation))
        held.append(score(train, test))
        mixed = table.sample(fraction=1, shuffle=True, seed=seed)
        cut = round(0.8 * mixed.height)
        crossing.append(score(_labelled(mixed[:cut]), _labelled(mixed[cut:])))
    return {
        "validation_when_children_cross": round(float(np.mean(crossing)), 4),
        "validation_when_children_stay": round(float(np.mean(kept)), 4),
        "test": round(float(np.mean(held)), 4),
        "illusion": interval(crossing, kept)["gain"],
        "interval": interval(crossing, kept)["interval"],
    }


def _turns(text: str, label: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}, {"role": "assistant", "content": label}]


def _labelled(rows: pl.DataFrame) -> Labelled:
    lists = rows["messages"].to_list()
    return [prompt_text(turns) for turns in lists], [turns[-1]["content"] for turns in lists]


def main() -> None:
    """Measure and store."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf8"))
    test: Labelled = ([text for text, _ in content["test"]], [label for _, label in content["test"]])
    train = content["train"]
    result = {
        "command": "python benchmarks/curation/downstream.py CLINC.json",
        "seeds": len(SEEDS),
        "pool": POOL,
        "intents_by_zipf": against_random(train, test, skewed=True),
        "intents_alike": against_random(train, test, skewed=False),
        "children_across_the_split": illusion(train, test),
    }
    record("selection_downstream", result)


if __name__ == "__main__":
    main()
