"""False alarms of the search for held-out items: a tenth of some texts is held out, and sought in the rest.

`python benchmarks/curation/heldout_alarms.py NAME=FILE ...`: texts of which each is its own, one to a line.
What is found is a false alarm, or a text that holds another one: some of it is printed, and not kept. Near
prompts are counted apart: they are near-duplicates, which no search should leave in.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from record import record

SHOWN = 12


def measure(texts: list[str]) -> dict[str, object]:
    """Rows, items, and what was found by kind and by the words in common; some of it is printed."""
    from curation.heldout import freeze, without_heldout
    from curation.rows import frame, make_row

    def chat(text: str, line: int) -> dict[str, object]:
        return make_row(
            [{"role": "user", "content": text}, {"role": "assistant", "content": "ok"}], line=line
        )

    rng = random.Random(7)
    rng.shuffle(texts)
    rows = [chat(text, line) for line, text in enumerate(texts)]
    held, rest = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    drops = without_heldout(frame(rest), [freeze("held out", frame(held))])[1]
    inside = [d for d in drops.iter_rows(named=True) if "contained" in d["reason"]]
    for drop in rng.sample(inside, min(SHOWN, len(inside))):
        print(f"{drop['detail']}  <-  {texts[drop['line']][:160]}", file=sys.stderr)
    return {
        "rows": len(rest),
        "items": len(held),
        "by kind": dict(sorted(Counter(drops["reason"]).items())),
        "contained, share of rows": round(len(inside) / len(rest), 5),
        "contained, by words": dict(sorted(Counter(_length(d["detail"]) for d in inside).items())),
    }


def _length(words: str) -> str:
    import polars as pl

    from curation.phrases import WORD, padded_words, weight_of

    found = padded_words(pl.Series([words]))[0].split()
    count = sum(map(weight_of, found)) / WORD
    return "01 to 3" if count < 4 else "04 to 6" if count < 7 else "07 to 12" if count < 13 else "13 and more"


def main() -> None:
    """Measure and record."""
    result = {}
    for argument in sys.argv[1:]:
        name, _, path = argument.partition("=")
        result[name] = measure(sorted(set(Path(path).read_text(encoding="utf8").splitlines()) - {""}))
    record("heldout_alarms", result)


if __name__ == "__main__":
    main()
