"""How alike two texts are, in any script: token F1, ROUGE-L, BLEU and chrF, each 0 to 1.

BLEU and chrF are computed from counts that add up over items, so that a corpus has one figure and a
bootstrap of it is a sum. On ASCII they equal sacrebleu's (divided by 100) and rouge-score's.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from judge.words import bleu_tokens, ngrams, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

BLEU_ORDER = 4
CHRF_ORDER = 6
CHRF_BETA = 2


def token_f1(output: str, reference: str) -> float:
    """Harmonic mean of the shares of words that output and reference have in common.

    A word that occurs twice counts twice. Texts without words are alike when they are equal.
    """
    said, expected = words(output), words(reference)
    if not said or not expected:
        return float(output.strip() == reference.strip())
    shared = (Counter(said) & Counter(expected)).total()
    return 2 * shared / (len(said) + len(expected))


def rouge_l(output: str, reference: str) -> float:
    """F1 of the longest common subsequence of words."""
    said, expected = words(output), words(reference)
    if not said or not expected:
        return 0.0
    return 2 * _common(said, expected) / (len(said) + len(expected))


def _common(first: Sequence[str], second: Sequence[str]) -> int:
    """Length of the longest common subsequence, a row of the table as the bits of one number."""
    places: dict[str, int] = {}
    for i, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << i
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        hits = row & places.get(word, 0)
        row = ((row + hits) | (row - hits)) & full
    return len(first) - row.bit_count()


def bleu_counts(output: str, reference: str) -> list[int]:
    """Tokens of the output and of the reference, then matching and possible n-grams by order: 10 numbers."""
    said, expected = bleu_tokens(output), bleu_tokens(reference)
    counts = [len(said), len(expected)]
    for order in range(1, BLEU_ORDER + 1):
        given = ngrams(said, order)
        counts += [(given & ngrams(expected, order)).total(), given.total()]
    return counts


def bleu(counts: NDArray[np.float64], *, short: bool = False) -> NDArray[np.float64]:
    """BLEU of summed counts (rows, 10), with exponential smoothing of orders without a match.

    Args:
        counts: Sums of `bleu_counts`.
        short: Leave out orders that a text is too short for, as is done for single sentences.
    """
    said, expected = counts[:, 0], counts[:, 1]
    matching, possible = counts[:, 2::2], counts[:, 3::2]
    there = possible > 0
    smoothed = np.cumsum((matching == 0) & there, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(matching == 0, 0.5**smoothed, matching) / possible
        logs = np.where(there, np.log(precision), 0.0 if short else -np.inf)
        orders = there.sum(axis=1) if short else np.full(len(counts), BLEU_ORDER)
        brevity = np.where(said < expected, np.exp(1 - expected / said), 1.0)
        score = brevity * np.exp(logs.sum(axis=1) / orders)
    return np.where(matching.sum(axis=1) > 0, score, 0.0)


def chrf_counts(output: str, reference: str) -> list[int]:
    """N-grams of the output, of the reference, and in both, by order: 18 numbers. White space is left out."""
    said, expected = ("".join(normalize("NFC", text).split()) for text in (output, reference))
    counts = []
    for order in range(1, CHRF_ORDER + 1):
        given, wanted = ngrams(said, order), ngrams(expected, order)
        # as in the usual definition, what a reference is too short for does not count against the output
        counts += [given.total() if wanted else 0, wanted.total(), (given & wanted).total()]
    return counts


def chrf(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """The F-score (beta 2) of character n-grams from summed counts (rows, 18)."""
    given, wanted, shared = counts[:, 0::3], counts[:, 1::3], counts[:, 2::3]
    there = (given > 0) & (wanted > 0)
    orders = np.maximum(1, there.sum(axis=1))
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.where(there, shared / given, 0.0).sum(axis=1) / orders
        recall = np.where(there, shared / wanted, 0.0).sum(axis=1) / orders
        weight = CHRF_BETA**2
        score = (1 + weight) * precision * recall / (weight * precision + recall)
    return np.where(precision + recall > 0, score, 0.0)
