"""A local model as judge: a random one says nothing that can be graded, and that is a state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from curation.errors import UserError
from judge.chat import Completion
from judge.local_judge import LocalJudge
from judge.prices import Tokens
from judge.rubric import load_rubric
from judge.verdict import Item
from loop import local_judge as local
from loop.config import Config
from tests.judge.conftest import RUBRICS
from tests.judge.judges import all_of
from tests.tiny import build_tiny_model

if TYPE_CHECKING:
    from pathlib import Path

RUBRIC = load_rubric(RUBRICS / "answer.toml")
ITEMS = [Item(f"t{i}", [{"role": "user", "content": f"q{i}"}], f"a{i}", None) for i in range(5)]
GOOD = Completion(
    '{"feedback": "f", "grades": {"answer": "right"}}', "finished", "stop", Tokens(10, 5), "raw"
)


def test_items_go_to_the_function_in_batches_and_cost_nothing() -> None:
    sizes = []

    def generate(conversations):
        sizes.append(len(conversations))
        assert all([m["role"] for m in c] == ["system", "user"] for c in conversations)
        return [GOOD] * len(conversations)

    judge = LocalJudge(RUBRIC, "m", generate, max_tokens=10, batch_size=2)
    verdicts = all_of(judge, ITEMS)
    assert sizes == [2, 2, 1]
    assert [(v.state, v.score, v.cost) for v in verdicts.values()] == [("scored", 1.0, 0.0)] * 5
    assert judge.identity.id.startswith("local/m/answer-v1/")


def test_a_random_model_and_an_item_that_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "MAX_TOKENS", 4)
    folder = build_tiny_model(tmp_path / "tiny")
    config = json.loads((folder / "config.json").read_text(encoding="utf8"))
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8000}))
    judge = local.local_judge(RUBRIC, str(folder), Config(train={"precision": "fp32"}))
    long = Item("long", [{"role": "user", "content": "very long " * 20_000}], "a", None)
    verdicts = all_of(judge, [ITEMS[0], long])
    assert verdicts["t0"].state in {"truncated", "unparsable"}
    assert verdicts["t0"].output_tokens > 0
    assert verdicts["long"].state == "failed"
    assert "context" in verdicts["long"].feedback
    assert judge.identity.model.startswith("tiny-")  # where it lies does not matter


def test_a_model_that_is_not_there() -> None:
    with pytest.raises(UserError, match="no model named"):
        local.local_judge(RUBRIC, "no/such", Config())
