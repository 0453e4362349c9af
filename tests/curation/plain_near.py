"""The definition of near-duplicates in plain Python, pair by pair: the oracle of the compiled kernels."""

from __future__ import annotations

import json
from collections import Counter
from itertools import combinations
from typing import TYPE_CHECKING

from curation.text import CHARACTERS, TEMPLATE_ROWS, TEMPLATE_SHARE, WORDS, is_unspaced, normal, whole, words

if TYPE_CHECKING:
    from collections.abc import Sequence

Shingle = tuple[str, ...]

EMPTY_LIST = "_left_square_bracket__right_square_bracket_"
"""An empty list as a word."""


def spoken(messages: Sequence[dict]) -> list[dict]:
    """Turns whose text ends with what they call, here a name and one list of plain words."""
    turns = []
    for turn in messages:
        calls = json.loads(turn["extra"] or "{}").get("tool_calls", [])
        said = [turn["content"]]
        for call in calls:
            ((key, words),) = json.loads(call["function"]["arguments"]).items()
            said.append(
                " ".join(
                    ["tool_call", call["function"]["name"], key, *words]
                    if words
                    else ["tool_call", call["function"]["name"], key, EMPTY_LIST]
                )
            )
        turns.append(turn | {"content": "\n".join(said)})
    return turns


def size_of(text: str) -> int:
    return CHARACTERS if is_unspaced(normal(text)) else WORDS


def runs(text: str) -> list[Shingle]:
    tokens, size = words(text), size_of(text)
    return [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]


def shingles(texts: Sequence[str], *, counted: bool = False) -> list[frozenset[Shingle]]:
    """The set of each text; what is left of nothing is the whole text. `counted`: templates count."""
    shared = set() if counted else shared_text(texts)
    sets = [frozenset(runs(text)) - shared for text in texts]
    return [own or frozenset([("whole", whole(text))]) for own, text in zip(sets, texts, strict=True)]


def shared_text(texts: Sequence[str]) -> set[Shingle]:
    sets = [set(runs(text)) for text in texts]
    rows = Counter(s for own in sets for s in own)
    frequent = {s for s, n in rows.items() if n >= TEMPLATE_ROWS and n > TEMPLATE_SHARE * len(texts)}
    telling = Counter(
        s for own, text in zip(sets, texts, strict=True) if left(text, frequent) >= 3 for s in own & frequent
    )
    return {s for s in frequent if 2 * telling[s] >= rows[s]}


def left(text: str, frequent: set[Shingle]) -> int:
    """Words that are in no frequent shingle."""
    covered = {
        place for i, s in enumerate(runs(text)) if s in frequent for place in range(i, i + size_of(text))
    }
    return len(words(text)) - len(covered)


def jaccard(a: frozenset[Shingle], b: frozenset[Shingle]) -> float:
    return len(a & b) / len(a | b)


def pairs(sets: Sequence[frozenset[Shingle]], threshold: float) -> dict[tuple[int, int], float]:
    compared = ((a, b, jaccard(sets[a], sets[b])) for a, b in combinations(range(len(sets)), 2))
    return {(a, b): s for a, b, s in compared if s >= threshold - 1e-12}


def connected(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The smallest member of each one's component."""
    label = list(range(count))
    for a, b in edges:
        one, other = label[a], label[b]
        label = [min(one, other) if x in {one, other} else x for x in label]
    return label
