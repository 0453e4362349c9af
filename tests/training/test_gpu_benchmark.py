"""The benchmark for a GPU runs in miniature on a CPU, so that it is ready when there is one."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu" / "run.py"


def test_it_measures_exactness_and_speed_in_miniature(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parents[1]))
    script = runpy.run_path(str(SCRIPT))
    shape = script["TINY"]["tiny"]
    assert script["variants"]()[:2] == ["ours sdpa", "trainer padded"]
    for errors in script["exactness"](shape).values():
        assert errors["loss_error"] < 1e-5
        assert errors["gradient_error"] < 1e-4
    found = [script["measured"](name, shape, 0.5, 1e9) for name in ("ours sdpa", "trainer padded")]
    assert "failed" not in found[0] | found[1]
    assert found[0]["losses"] == pytest.approx(found[1]["losses"], rel=5e-3)
    assert found[0]["tokens_per_second"] > 0
