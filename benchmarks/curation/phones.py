"""Telephone numbers on the tuning part of the labelled texts: our patterns beside the library phonenumbers.

`pip install phonenumbers==9.0.43 && python benchmarks/curation/phones.py`
"""

from __future__ import annotations

import sys
from pathlib import Path

import phonenumbers

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

from curation.pii import find
from tests.curation.labelled import read

REGIONS = [
    "US", "CA", "GB", "IE", "DE", "FR", "IT", "ES", "PT", "NL", "BE",
    "CH", "AT", "SE", "NO", "DK", "FI", "PL", "BR", "AU", "IN", "JP",
]  # fmt: skip
VALID = phonenumbers.Leniency.VALID
Spans = set[tuple[int, int]]


def library(text: str, region: str | None) -> Spans:
    """What the library finds where a text is from this country."""
    return {(m.start, m.end) for m in phonenumbers.PhoneNumberMatcher(text, region, leniency=VALID)}


def score(texts: list[dict], found: list[Spans]) -> dict[str, int]:
    """Labelled numbers that a found span overlaps, and found spans that overlap none."""
    hits = false = 0
    for entry, spans in zip(texts, found, strict=True):
        labels = [(s["start"], s["end"]) for s in entry["spans"] if s["kind"] == "PHONE"]
        hits += sum(any(a < end and start < b for a, b in spans) for start, end in labels)
        false += sum(not any(a < end and start < b for start, end in labels) for a, b in spans)
    return {"found": hits, "false": false}


def main() -> None:
    """Measure and store."""
    texts = read("tuning")
    lines = [entry["text"] for entry in texts]
    alone = {r: score(texts, [library(t, r) for t in lines]) for r in REGIONS}
    best = max(alone, key=lambda r: (alone[r]["found"], -alone[r]["false"]))
    every = [set().union(*(library(t, r) for r in REGIONS)) for t in lines]
    ours = [{(s.start, s.end) for s in find(t) if s.kind == "PHONE"} for t in lines]
    result = {
        "phonenumbers": phonenumbers.__version__,
        "texts": len(texts),
        "labelled": sum(s["kind"] == "PHONE" for entry in texts for s in entry["spans"]),
        "no region": score(texts, [library(t, None) for t in lines]),
        f"the best region ({best})": alone[best],
        f"{len(REGIONS)} regions": score(texts, every),
        "our patterns": score(texts, ours),
    }
    record("phones", result)


if __name__ == "__main__":
    main()
