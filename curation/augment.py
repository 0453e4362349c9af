"""Offline augmentation: typing noise in the user's own words, for robustness, with guards."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Any

from curation.rows import canonical, frame, make_row
from curation.text import TEMPLATE_ROWS, TEMPLATE_SHARE

if TYPE_CHECKING:
    import polars as pl

CONTRACTIONS = {
    "do not": "don't",
    "does not": "doesn't",
    "can not": "can't",
    "cannot": "can't",
    "what is": "what's",
    "how is": "how's",
    "i am": "i'm",
    "it is": "it's",
    "is not": "isn't",
}
PROTECTED = re.compile(
    r"\d|[_`/@\\<>{}\[\]]|\b(?:not|no|nor|never|without|cannot|none|nobody|nothing|neither|nowhere)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""Words with these are left alone: numbers, code, addresses, placeholders and negation carry the label."""

OPERATIONS = ("swap", "drop", "case", "contract", "spacing")


def augment(rows: pl.DataFrame, *, share: float, seed: int = 0) -> pl.DataFrame:
    """Make noisy copies of some rows.

    Each child has one parent, whose id it carries and whose family and answer it keeps; no parent
    has more than one child. Only text that other rows do not share is touched, so a policy or a
    template stays as it is. Words with numbers, code or negation and names (any word with
    a capital) get no typing errors.

    Args:
        rows: Rows with schema ROWS.
        share: Children as a share of the rows, 0 to 1.
        seed: The same seed and rows give the same children.

    Returns:
        The children alone (schema ROWS), tagged `augmented`.
    """
    shared = _shared_lines(rows)
    candidates = [(canonical([seed, row["id"]]), row) for row in rows.iter_rows(named=True)]
    candidates.sort(key=lambda item: item[0])
    candidates.sort(key=lambda item: random.Random(item[0]).random())  # noqa: S311  (a shuffle, no secret)
    children: list[dict[str, Any]] = []
    known = set(rows["id"])
    for key, row in candidates:
        if len(children) >= round(share * rows.height):
            break
        child = _child(row, shared, random.Random(key))  # noqa: S311
        if child is not None and child["id"] not in known:
            known.add(child["id"])
            children.append(child)
    return frame(children)


def _shared_lines(rows: pl.DataFrame) -> set[str]:
    lines = rows["messages"].explode().struct.field("content").str.split("\n").explode()
    counts = lines.value_counts()
    often = (counts["count"] >= TEMPLATE_ROWS) & (counts["count"] > TEMPLATE_SHARE * rows.height)
    return set(counts.filter(often)[lines.name])


def _child(row: dict[str, Any], shared: set[str], rng: random.Random) -> dict[str, Any] | None:
    turns = [dict(turn) for turn in row["messages"]]
    users = [turn for turn in turns if turn["role"] == "user"]
    if not users:
        return None
    operation = rng.choice(OPERATIONS)
    lines = users[-1]["content"].split("\n")
    own = [i for i, line in enumerate(lines) if line.strip() and line not in shared]
    if not own:
        return None
    lines[own[-1]] = noise(lines[own[-1]], operation, rng)
    users[-1]["content"] = "\n".join(lines)
    tags = [*row["tags"], "augmented", operation]
    return make_row(
        turns, tags=tags, source=row["source"], line=row["line"], parents=[row["id"]], family=row["family"]
    )


def noise(line: str, operation: str, rng: random.Random) -> str:
    """One line of text with one kind of typing noise.

    Args:
        line: The text.
        operation: One of `OPERATIONS`.
        rng: Where the choice of words comes from.
    """
    if operation == "case":
        return line if PROTECTED.search(line) else line.lower()
    if operation == "contract":
        return _contract(line)
    if operation == "spacing":
        return re.sub(r"(?<=\w)[?.!]+$", "", line)
    pieces = line.split(" ")
    free = [i for i, w in enumerate(pieces) if i and _is_free(w)]
    for i in rng.sample(free, min(len(free), 2)):
        pieces[i] = _typo(pieces[i], operation, rng)
    return " ".join(pieces)


def _is_free(word: str) -> bool:
    return len(word) > 4 and word.isalpha() and word.islower() and not PROTECTED.search(word)


def _contract(line: str) -> str:
    for long, short in CONTRACTIONS.items():
        line = re.sub(rf"\b{long}\b", short, line)
    return line


def _typo(word: str, operation: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 2)
    if operation == "drop":
        return word[:at] + word[at + 1 :]
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
