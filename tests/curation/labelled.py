"""The labelled texts, and how what was found is compared with them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from curation.pii import ALL, find

OVERLAP = 0.8


def read(part: str) -> list[dict]:
    """The texts of a part, `tuning` or `test`, each with its spans."""
    lines = (Path(__file__).parent / "pii" / f"{part}.jsonl").read_text(encoding="utf8").splitlines()
    return [json.loads(line) for line in lines]


TEXTS = [*read("tuning"), *read("test")]


def score(texts: list[dict]) -> dict[str, dict[str, float]]:
    """Labelled, found and right spans of each kind, with precision and recall.

    A found span is right if its kind is that of a labelled one, and what both cover is at least 80% of
    the longer one.
    """
    labelled, found, right = Counter(), Counter(), Counter()
    for entry in texts:
        left = list(entry["spans"])
        labelled.update(s["kind"] for s in left)
        for span in find(entry["text"]):
            found[span.kind] += 1
            if match := next((s for s in left if _same(span, s)), None):
                left.remove(match)
                right[span.kind] += 1
    return {
        kind: {
            "labelled": labelled[kind],
            "found": found[kind],
            "right": right[kind],
            "precision": round(right[kind] / found[kind], 3),
            "recall": round(right[kind] / labelled[kind], 3),
        }
        for kind in ALL
    }


def _same(span, label) -> bool:
    both = min(span.end, label["end"]) - max(span.start, label["start"])
    longer = max(span.end - span.start, label["end"] - label["start"])
    return span.kind == label["kind"] and both >= OVERLAP * longer
