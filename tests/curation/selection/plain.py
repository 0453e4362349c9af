"""Selection written out plainly, with nothing clever in it: what the kernels must equal row for row."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curation.selection.limits import Limits
    from curation.selection.vectors import Vectors

Vector = dict[int, float]
UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff])")


def words(text: str) -> list[str]:
    return re.findall(r"\w+", UNSPACED.sub(r" \1 ", unicodedata.normalize("NFKC", text).lower()))


def tfidf(texts: list[str]) -> list[dict[str, float]]:
    counts = [Counter(words(text)) for text in texts]
    documents = Counter(word for count in counts for word in count)
    vectors = []
    for count in counts:
        weights = {w: (1 + math.log(n)) * math.log(len(texts) / documents[w]) for w, n in count.items()}
        length = math.sqrt(sum(x * x for x in weights.values())) or 1.0
        vectors.append({w: x / length for w, x in weights.items() if x})
    return vectors


def as_dicts(vectors: Vectors) -> list[Vector]:
    """The same vectors; terms keep their order, so that sums round alike."""
    return [
        dict(zip(vectors.terms[a:b].tolist(), vectors.weights[a:b].tolist(), strict=True))
        for a, b in zip(vectors.starts, vectors.starts[1:], strict=False)
    ]


def similarity(a: Vector, b: Vector) -> float:
    return sum(x * b[term] for term, x in a.items() if term in b)


def k_center(
    vectors: list[Vector], density: list[float], allowed: list[int], limits: Limits, prior: list[int]
) -> list[tuple[int, float]]:
    """Farthest-first, every text compared with every pick at every step."""
    picks, done, left = list(prior), [], limits.budget
    rest = list(allowed)
    while len(done) < limits.most:
        rest = [i for i in rest if limits.cost[i] <= left]
        if not rest:
            break
        if not picks:
            worth = [i for i in rest if limits.weight[i] >= limits.least]
            if not worth:
                break
            best = max(worth, key=lambda i: (density[i] * limits.weight[i], -i))
            gain = limits.weight[best]
        else:
            gains = {i: _distance(vectors, i, picks) * limits.weight[i] for i in rest}
            best = max(rest, key=lambda i: (gains[i], -i))
            gain = gains[best]
        if gain < limits.least:
            break
        rest.remove(best)
        picks.append(best)
        left -= limits.cost[best]
        done.append((best, gain))
    return done


def _distance(vectors: list[Vector], i: int, picks: list[int]) -> float:
    if not vectors[i]:
        return 0.0
    return max(0.0, 1 - max(similarity(vectors[i], vectors[p]) for p in picks))


def facility(
    like: list[list[float]], allowed: list[int], limits: Limits, near: list[float]
) -> list[tuple[int, float]]:
    """Facility location by plain greedy on a matrix of similarities."""
    near, rest, done, left = list(near), list(allowed), [], limits.budget
    while len(done) < limits.most:
        rest = [i for i in rest if limits.cost[i] <= left]
        if not rest:
            break
        gains = {
            j: limits.weight[j] * sum(max(0.0, s - n) for s, n in zip(like[j], near, strict=True))
            for j in rest
        }
        best = max(rest, key=lambda j: (gains[j], -j))
        if gains[best] < limits.least:
            break
        near = [max(n, s) for n, s in zip(near, like[best], strict=True)]
        rest.remove(best)
        left -= limits.cost[best]
        done.append((best, gains[best]))
    return done
