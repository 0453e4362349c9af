"""How alike two texts are, in any script: token F1, ROUGE-L, and counts for BLEU and chrF."""

from __future__ import annotations

from collections import Counter

from judge.words import words


def token_f1(output: str, reference: str) -> float:
    """Harmonic mean of the shares of words that output and reference have in common, 0 to 1.

    A word that occurs twice counts twice. Two texts without words are alike when they are equal.
    """
    said, expected = words(output), words(reference)
    if not said or not expected:
        return float(output.strip() == reference.strip())
    shared = (Counter(said) & Counter(expected)).total()
    return 2 * shared / (len(said) + len(expected))
