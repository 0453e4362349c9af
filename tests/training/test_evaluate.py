"""One forward pass says what greedy generation would have given."""

from __future__ import annotations

import pytest
import torch

from curation.errors import UserError
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


def test_exact_match_agrees_with_generation(half_trained, rows):
    conversations = [row["messages"] for row in rows]
    answers = generate(half_trained, [messages[:-1] for messages in conversations])
    expected = [
        answer.finish_reason == "stop" and answer.text == messages[-1]["content"]
        for answer, messages in zip(answers, conversations, strict=True)
    ]
    assert 0 < sum(expected) < len(expected)
    for batch_size in (1, 5, 64):
        assert exact_match(half_trained, conversations, batch_size) == expected


def test_what_the_model_says_matches_and_anything_else_does_not(loaded, rows):
    prompt = rows[0]["messages"][:-1]
    right = {"role": "assistant", "content": generate(loaded, [prompt])[0].text}
    cut = exact_match(loaded, [[*prompt, right]])
    assert cut == [False]  # an untrained model goes on talking: its end-of-turn token is not the likeliest
    assert exact_match(loaded, [rows[0]["messages"]]) == [False]


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


def test_progress_counts_to_the_end(loaded, rows):
    seen = []
    exact_match(loaded, [row["messages"] for row in rows], 8, progress=lambda *counts: seen.append(counts))
    assert seen == [(8, 12), (12, 12)]


def test_a_row_that_does_not_fit_is_refused(loaded):
    long = [{"role": "user", "content": "word " * 1100}, {"role": "assistant", "content": "cards"}]
    with pytest.raises(UserError) as caught:
        exact_match(loaded, [long])
    assert caught.value.where == "row 0"
