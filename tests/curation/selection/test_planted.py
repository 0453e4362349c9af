"""Selection against chance on planted intents: more of them, and nearly no garbage."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from curation.selection.select import by_chance, select
from tests.curation.selection.texts import plain_limits, planted


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("method", ["kcenter", "facility"])
def test_more_intents_than_chance_and_no_garbage(seed, method):
    texts, intents = planted(seed)
    for k in (250, 500, 1000):
        limits = plain_limits(k, len(texts))
        done = select(pl.Series(texts), limits, method=method, seed=seed)
        found, chance = intents[done.picks], intents[by_chance(len(texts), limits, seed)]
        assert len(set(found[found >= 0])) > 1.1 * len(set(chance[chance >= 0]))
        assert np.mean(found < 0) < (0.01 if method == "kcenter" else 0.02)


def test_without_a_floor_k_center_picks_garbage():
    texts, intents = planted(0, intents=100, rows=4000)
    done = select(pl.Series(texts), plain_limits(100, len(texts)), floor=0.0)
    assert np.mean(intents[done.picks] < 0) > 0.3


def test_a_random_pick_is_not_measured_on_itself(monkeypatch):
    texts = pl.Series(planted(0, intents=50, rows=2000).texts)
    limits = plain_limits(200, len(texts))
    whole = select(texts, limits, method="random").worth
    monkeypatch.setattr("curation.selection.select.SAMPLE", 200)
    part = select(texts, limits, method="random").worth
    assert part.facility == pytest.approx(whole.facility, abs=0.05)
