"""One forward pass says what greedy generation would have given."""

from __future__ import annotations

import pytest
import torch

from training.encode import encode
from training.evaluate import measure
from training.exact import exact_match
from training.generate import generate
from training.job import run
from training.model import load


@pytest.fixture
def half_trained(tiny, make_job):
    """Trained until some answers are right and some are wrong."""
    job = make_job(epochs=3, batch_size=4, learning_rate=1e-2)
    run(job)
    return load(tiny, job / "model", "fp32")


def test_mean_loss_is_the_mean_over_answer_tokens_of_rows_alone(loaded, rows):
    encoded = [encode(loaded.tokenizer, row["messages"], 512) for row in rows]
    total = 0.0
    for row in encoded:
        with torch.no_grad():
            logits = loaded.model(input_ids=torch.tensor([row.ids])).logits[0, len(row.prompt_ids) - 1 : -1]
        total += torch.nn.functional.cross_entropy(
            logits, torch.tensor(row.answer_ids), reduction="sum"
        ).item()
    tokens = sum(len(row.answer_ids) for row in encoded)
    assert measure(loaded, encoded, "fp32").loss == pytest.approx(total / tokens, rel=1e-5)
    assert measure(loaded, [], "fp32") is None


def test_the_exact_share_is_that_of_exact_match(half_trained, rows):
    matched = exact_match(half_trained, [row["messages"] for row in rows])
    encoded = [encode(half_trained.tokenizer, row["messages"], 512) for row in rows]
    answers = generate(half_trained, [row["messages"][:-1] for row in rows])
    for packing in (True, False):
        measured = measure(half_trained, encoded, "fp32", packing=packing)
        assert measured.exact_match == sum(matched) / len(matched)
        assert measured.exact_match <= measured.end_of_turn <= 1
    assert any(answer.finish_reason == "stop" for answer in answers) == (measured.end_of_turn > 0)
