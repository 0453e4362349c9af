"""Whether selection matters to a classifier: `python benchmarks/curation/downstream.py FILE`.

FILE is `data_full.json` of clinc/oos-eval (CC-BY-3.0). Is a classifier better when it is trained on a
selection than on as many random rows?
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

from curation.selection.select import select
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


def clinc(path: Path) -> tuple[list[list[str]], Labelled]:
    """Its training rows, [text, label] each, and its test rows."""
    content = json.loads(path.read_text(encoding="utf8"))
    return content["train"], ([text for text, _ in content["test"]], [label for _, label in content["test"]])


def main() -> None:
    """Measure and store."""
    train, test = clinc(Path(sys.argv[1]))
    result = {
        "command": "python benchmarks/curation/downstream.py CLINC.json",
        "seeds": len(SEEDS),
        "pool": POOL,
        "intents_by_zipf": against_random(train, test, skewed=True),
        "intents_alike": against_random(train, test, skewed=False),
    }
    record("selection_downstream", result)


if __name__ == "__main__":
    main()
