"""How fast selection is, beside what others offer: `python benchmarks/curation/selection.py PART`.

PART is `short` (a million prompts of about 12 words), `long` (of about 60), `textbook` (the loop that
everyone copies) or `apricot` (facility location; needs `pip install 'regrind[bench]'`). Run it alone on
the machine.
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics.pairwise import cosine_similarity, linear_kernel

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from made_up import prompts
from record import record

from curation.selection.limits import Limits
from curation.selection.nearest import coverage
from curation.selection.select import select
from curation.selection.vectors import vectorise
from tests.curation.selection.texts import planted

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3


def limits(most: int, texts: int) -> Limits:
    """So many texts, all alike in cost and weight."""
    return Limits(most, 2**62, np.ones(texts, np.int64), np.ones(texts), 0.0)


def seconds(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The median time of some rounds."""
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def resident_gb(field: str) -> float:
    """Memory of this process: `VmRSS` now, `VmHWM` at most since it was reset."""
    status = Path("/proc/self/status").read_text(encoding="utf8")
    return int(status.split(f"{field}:")[1].split()[0]) / 2**20


def million(words: int, rounds: int) -> dict[str, Any]:
    """Ten thousand of a million prompts, from text to picks, against scikit-learn's vectors of that text."""
    texts = prompts(1_000_000, words)
    select(texts[:1000], limits(10, 1000))  # compiles
    Path("/proc/self/clear_refs").write_text("5", encoding="utf8")
    before = resident_gb("VmRSS")
    ours = seconds(lambda: select(texts, limits(10_000, len(texts))), rounds)
    memory = resident_gb("VmHWM") - before
    plain = texts.to_list()
    theirs = seconds(lambda: TfidfVectorizer().fit_transform(plain), rounds)
    return {
        "texts": len(texts),
        "words_per_text": words,
        "picks": 10_000,
        "seconds_of_select": round(ours, 1),
        "seconds_of_TfidfVectorizer_fit_transform": round(theirs, 1),
        "ratio": round(ours / theirs, 2),
        "peak_gb_beside_the_text": round(memory, 2),
    }


def textbook() -> dict[str, Any]:
    """A thousand of ten thousand: the loop that compares each remaining row with all selected rows.

    Its first, middle and last step run on a twentieth of the remaining rows; the whole is extrapolated.
    """
    count, most, sample = 10_000, 1_000, 500
    texts = prompts(count, 12)
    select(texts[:1000], limits(10, 1000))
    ours = seconds(lambda: select(texts, limits(most, count)))
    vectors = TfidfVectorizer().fit_transform(texts.to_list())
    per_row = []
    for selected in (1, most // 2, most - 1):
        began = time.perf_counter()
        for row in range(most, most + sample):
            cosine_similarity(vectors[row], vectors[:selected]).max()
        per_row.append((time.perf_counter() - began) / sample)
    whole = statistics.mean(per_row) * (count - most / 2) * most
    return {
        "texts": count,
        "picks": most,
        "seconds_of_select": round(ours, 3),
        "seconds_of_the_loop_extrapolated": round(whole),
        "ratio": round(whole / ours),
    }


def apricot() -> dict[str, Any]:
    """Facility location on five thousand texts: from text to picks, and what the picks are worth."""
    from apricot import FacilityLocationSelection

    count, most = 5_000, 500
    texts = pl.Series(planted(0, rows=count).texts[:count])

    def ours() -> np.ndarray:
        return select(texts, limits(most, count), method="facility", floor=0.0).picks

    def theirs() -> np.ndarray:
        like = linear_kernel(TfidfVectorizer().fit_transform(texts.to_list()))
        chosen = FacilityLocationSelection(most, metric="precomputed", optimizer="lazy").fit(like)
        return np.asarray(chosen.ranking)

    picks = {"select": ours(), "apricot": theirs()}
    vectors, everything = vectorise(texts), np.arange(count)
    value = {name: float(coverage(vectors, chosen, everything).sum()) for name, chosen in picks.items()}
    like = linear_kernel(TfidfVectorizer().fit_transform(texts.to_list()))
    by_sklearn = {name: float(like[:, chosen].max(axis=1).sum()) for name, chosen in picks.items()}
    taken = {"select": seconds(ours), "apricot": seconds(theirs)}
    return {
        "texts": count,
        "picks": most,
        "seconds": {name: round(value, 3) for name, value in taken.items()},
        "ratio": round(taken["apricot"] / taken["select"], 1),
        "objective_on_our_vectors": round(value["select"] / value["apricot"], 4),
        "objective_on_scikit_learns_vectors": round(by_sklearn["select"] / by_sklearn["apricot"], 4),
    }


PARTS = {
    "short": lambda: million(12, ROUNDS),
    "long": lambda: million(60, 1),
    "textbook": textbook,
    "apricot": apricot,
}


def main() -> None:
    """Measure one part and store it."""
    part = sys.argv[1]
    command = f"python benchmarks/curation/selection.py {part}"
    record(f"selection_{part}", {"command": command} | PARTS[part]())


if __name__ == "__main__":
    main()
