"""Rubrics that the judge tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from judge.rubric import Rubric, load_rubric

RUBRICS = Path(__file__).parents[2] / "resources" / "rubrics"


@pytest.fixture
def rubrics() -> dict[str, Rubric]:
    return {path.stem: load_rubric(path) for path in RUBRICS.glob("*.toml")}


@pytest.fixture
def safety(rubrics: dict[str, Rubric]) -> Rubric:
    return rubrics["safety"]


@pytest.fixture
def helpfulness(rubrics: dict[str, Rubric]) -> Rubric:
    return rubrics["helpfulness"]
