"""A tiny random model, rows that share a policy, and a job directory made of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from tests.tiny import build_tiny_model
from training.model import LoadedModel, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLICY = (
    "You answer help desk messages with the team's name alone: cards, accounts, travel or none.\nMessage: "
)
_REQUESTS = {
    "cards": ["my card was declined", "block my card please now", "a new card"],
    "travel": ["book a flight to Lisbon", "lost my bag", "is my flight late today or not"],
    "accounts": ["tell me the balance", "what did I spend", "move money to my other account, please"],
    "none": ["tell me a joke", "who are you", "sing a song about the sea for me"],
}


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def loaded(tiny: Path) -> LoadedModel:
    return load(tiny, precision="fp32")


@pytest.fixture(scope="session")
def rows() -> list[dict]:
    """Twelve rows of different lengths that start alike."""
    pairs = [(text, team) for team, texts in _REQUESTS.items() for text in texts]
    return [
        {
            "id": f"r{i}",
            "messages": [
                {"role": "user", "content": POLICY + text},
                {"role": "assistant", "content": team},
            ],
        }
        for i, (text, team) in enumerate(pairs)
    ]


@pytest.fixture
def make_job(tmp_path: Path, tiny: Path, rows: list[dict]) -> Callable[..., Path]:
    """Write a job directory; keywords override settings, `train` and `validation` the rows."""

    def make(
        name: str = "job", *, train: list | None = None, validation: list | None = None, **settings
    ) -> Path:
        job = tmp_path / name
        job.mkdir()
        chosen = {
            "base_model": str(tiny),
            "threads": 1,
            "precision": "fp32",
            "learning_rate": 5e-3,
            **settings,
        }
        job.joinpath("settings.json").write_text(json.dumps(chosen))
        job.joinpath("manifest.json").write_text('{"id": "snapshot-1"}')
        for file, content in (("train", rows if train is None else train), ("validation", validation or [])):
            job.joinpath(f"{file}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
        return job

    return make
