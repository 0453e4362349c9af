"""What selection finds of planted intents, and a picture of it: `python benchmarks/curation/planted.py`.

227 intents by Zipf's law in 10,000 texts, 5% garbage of four kinds, three sizes, five seeds.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from record import record

from curation.selection.density import density
from curation.selection.select import select
from curation.selection.vectors import vectorise
from tests.curation.selection.texts import GARBAGE, plain_limits, planted

WAYS: dict[str, dict[str, Any]] = {
    "random": {"method": "random"},
    "kcenter without a floor": {"method": "kcenter", "floor": 0.0},
    "kcenter": {"method": "kcenter"},
    "facility without a floor": {"method": "facility", "floor": 0.0},
    "facility": {"method": "facility"},
}
SIZES, SEEDS = (250, 500, 1000), range(5)
PICTURE = Path(__file__).parents[2] / "docs" / "selection.svg"
WIDTH, HEIGHT, EDGE, SHOWN = 400, 300, 46, 1_500
GREY, RED, BLUE = "#b8b8b8", "#c0392b", "#1f5fa8"


def found(way: str, most: int) -> dict[str, Any]:
    """Intents and garbage among the picks of one way, over the seeds."""
    intents, garbage, worth = [], [], []
    kinds = dict.fromkeys(GARBAGE, 0)
    for seed in SEEDS:
        texts, labels = planted(seed)
        done = select(pl.Series(texts), plain_limits(most, len(texts)), seed=seed, **WAYS[way])
        picked = labels[done.picks]
        intents.append(len(set(picked[picked >= 0].tolist())))
        garbage.append(float((picked < 0).mean()))
        worth.append(done.worth)
        for kind in picked[picked < 0]:
            kinds[GARBAGE[-1 - kind]] += 1
    return {
        "way": way,
        "picks": most,
        "intents": statistics.mean(intents),
        "intents_range": [min(intents), max(intents)],
        "garbage": round(statistics.mean(garbage), 4),
        "garbage_range": [round(min(garbage), 4), round(max(garbage), 4)],
        "garbage_kinds": kinds,
        "coverage": round(statistics.mean(w.coverage for w in worth), 3),
        "facility": round(statistics.mean(w.facility for w in worth), 3),
    }


def draw() -> None:
    """Two pictures side by side: what k-center picks without a floor, and with it."""
    texts, labels = planted(0)
    series = pl.Series(texts)
    dense, lengths = density(vectorise(series)), np.array([len(text.split()) for text in texts])
    parts = [_panel(0, "k-center without a floor", texts, labels, dense, lengths, 0.0)]
    parts += [_panel(WIDTH, "k-center above a floor of 5%", texts, labels, dense, lengths, 0.05)]
    size = f'width="{2 * WIDTH}" height="{HEIGHT}" viewBox="0 0 {2 * WIDTH} {HEIGHT}"'
    style = "<style>text{font:12px sans-serif;fill:#333}</style>"
    back = f'<rect width="{2 * WIDTH}" height="{HEIGHT}" fill="white"/>'
    svg = "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', style, back, *parts, "</svg>", ""])
    PICTURE.write_text(svg, encoding="utf8")


def _panel(
    left: int,
    title: str,
    texts: list[str],
    labels: np.ndarray,
    dense: np.ndarray,
    lengths: np.ndarray,
    floor: float,
) -> str:
    """Each text by its words and its density: grey, picks in blue, picks that are garbage in red."""
    picks = select(pl.Series(texts), plain_limits(250, len(texts)), floor=floor).picks
    shift = np.random.default_rng(0).uniform(-0.35, 0.35, len(texts))
    across = left + EDGE + (lengths + shift) / 22 * (WIDTH - EDGE - 14)
    up = HEIGHT - EDGE - dense / dense.max() * (HEIGHT - EDGE - 36)
    pool = np.random.default_rng(0).permutation(len(texts))[:SHOWN]

    def dots(chosen: np.ndarray, colour: str, radius: float) -> str:
        circles = "".join(f'<circle cx="{across[i]:.0f}" cy="{up[i]:.0f}" r="{radius}"/>' for i in chosen)
        return f'<g fill="{colour}">{circles}</g>'

    bad = picks[labels[picks] < 0]
    good = np.setdiff1d(picks, bad)
    label = f"{title}: {len(set(labels[good].tolist()))} intents, {len(bad) / len(picks):.0%} garbage"
    bottom = HEIGHT - EDGE
    return "\n".join(
        [
            dots(pool, GREY, 1),
            dots(good, BLUE, 2),
            dots(bad, RED, 2),
            f'<path d="M{left + EDGE},30V{bottom}H{left + WIDTH - 8}" stroke="#333" fill="none"/>',
            f'<text x="{left + EDGE}" y="18">{label}</text>',
            f'<text x="{left + WIDTH / 2}" y="{HEIGHT - 14}">words in the text</text>',
            f'<text transform="translate({left + 30},{bottom - 40}) rotate(-90)">similarity to all</text>',
            *_ticks(left, bottom + 16),
        ]
    )


def _ticks(left: int, below: int) -> list[str]:
    places = [(n, left + EDGE + n / 22 * (WIDTH - EDGE - 14) - 4) for n in (1, 5, 10, 15, 20)]
    return [f'<text x="{x:.0f}" y="{below}">{n}</text>' for n, x in places]


def main() -> None:
    """Measure, store and draw."""
    rows = [found(way, most) for most in SIZES for way in WAYS]
    record(
        "selection_planted", {"command": "python benchmarks/curation/planted.py", "seeds": 5, "rows": rows}
    )
    draw()


if __name__ == "__main__":
    main()
