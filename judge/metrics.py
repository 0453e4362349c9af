"""Text metrics of a frame of answers: a value per item, and the whole with bootstrap intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from judge.bootstrap import Interval, interval, mean_interval
from judge.similarity import bleu, bleu_counts, chrf, chrf_counts, rouge_l, token_f1
from judge.text import normalise
from judge.words import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from judge.form import Form

ITEMS = {"id": pl.String, "output": pl.String, "reference": pl.String}
"""Columns of the frame that is measured; others are left alone."""


class Measured(NamedTuple):
    """What was measured.

    Attributes:
        items: `id` and one column a metric (0 to 1).
        summary: `metric`, `items`, `value`, and the interval from `low` to `high`. BLEU and chrF are the
            corpus's, from summed counts; the others are means.
    """

    items: pl.DataFrame
    summary: pl.DataFrame


def measure(items: pl.DataFrame, form: Form | None = None, *, alpha: float = 0.05, seed: int = 0) -> Measured:
    """Compare answers with their references.

    Exact match (case and spacing do not count), token F1, TF-IDF cosine (over the words of all texts of the
    frame), ROUGE-L, BLEU and chrF, in any script; with `form` also the share of answers that have it.

    Args:
        items: `id`, `output` and `reference`, at least one row and no nulls.
        form: From `judge.form`, such as `matches(r"yes|no")`.
        alpha: One minus the confidence of the intervals.
        seed: Of the bootstrap.

    Raises:
        ValueError: There is no row, or a null.
    """
    outputs, references = _texts(items)
    pairs = list(zip(outputs, references, strict=True))
    means: dict[str, list[float]] = {
        "exact_match": [float(normalise(o) == normalise(r)) for o, r in pairs],
        "token_f1": [token_f1(o, r) for o, r in pairs],
        "tfidf_cosine": tfidf_cosine(outputs, references),
        "rouge_l": [rouge_l(o, r) for o, r in pairs],
    }
    if form:
        means["format"] = [float(not form(o)) for o in outputs]
    counted = {
        "bleu": (np.array([bleu_counts(o, r) for o, r in pairs], np.float64), bleu),
        "chrf": (np.array([chrf_counts(o, r) for o, r in pairs], np.float64), chrf),
    }
    columns: dict[str, object] = means | {
        "bleu": bleu(counted["bleu"][0], short=True),
        "chrf": chrf(counted["chrf"][0]),
    }
    rows = [
        _row(name, len(pairs), float(np.mean(values)), mean_interval(values, alpha, seed))
        for name, values in means.items()
    ]
    for name, (counts, score) in counted.items():
        value = float(score(counts.sum(axis=0, keepdims=True))[0])
        rows.append(_row(name, len(pairs), value, _corpus_interval(counts, score, alpha, seed)))
    return Measured(pl.DataFrame({"id": items["id"]} | columns), pl.DataFrame(rows))


def _corpus_interval(
    counts: NDArray[np.float64],
    score: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    alpha: float,
    seed: int,
) -> Interval:
    # summed, not averaged: smoothing depends on whole counts
    return interval(counts, lambda mean: score(mean * len(counts)), alpha, seed)


def tfidf_cosine(outputs: Sequence[str], references: Sequence[str]) -> list[float]:
    """Cosine of each output and its reference; words that stand in many of the texts count less."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [*outputs, *references]
    equal = np.array([float(o.strip() == r.strip()) for o, r in zip(outputs, references, strict=True)])
    if not any(words(text) for text in texts):
        return list(map(float, equal))
    vectors = TfidfVectorizer(analyzer=words).fit_transform(texts)
    said, expected = vectors[: len(outputs)], vectors[len(outputs) :]
    cosine = np.asarray(said.multiply(expected).sum(axis=1)).ravel()
    wordless = np.array([not words(o) and not words(r) for o, r in zip(outputs, references, strict=True)])
    return list(map(float, np.where(wordless, equal, np.clip(cosine, 0.0, 1.0))))


def _texts(items: pl.DataFrame) -> tuple[list[str], list[str]]:
    if not items.height:
        raise ValueError("there is nothing to measure")
    for name in ITEMS:
        if items[name].null_count():
            raise ValueError(f"the column {name} has nulls")
    return items["output"].to_list(), items["reference"].to_list()


def _row(name: str, items: int, value: float, ends: Interval) -> dict[str, object]:
    return {"metric": name, "items": items, "value": value, "low": ends.low, "high": ends.high}
