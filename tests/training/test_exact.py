"""Feeding known answers says what greedy generation would have given, whatever the model."""

from __future__ import annotations

import pytest
import torch

from curation.errors import UserError
from tests.training.shapes import make
from training.adapters import adapt
from training.encode import encode, encode_prompt, stop_ids
from training.exact import exact_match
from training.follow import follow
from training.generate import GenerateSettings, generate
from training.job import run
from training.model import LoadedModel, load
from training.settings import TrainSettings
from training.start import read_start

ROOM = 16


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


def test_generation_ends_where_it_says_something_else(loaded, rows):
    prompt, asked = encode_prompt(loaded.tokenizer, rows[0]["messages"][:-1]), []
    loaded.model.register_forward_hook(lambda *_: asked.append(1))
    text = generate(loaded, [rows[0]["messages"][:-1]], GenerateSettings(40))[0].text
    for expected, most in ((text[:8] + "something else", 10), (text, 40)):
        asked.clear()
        with torch.inference_mode():
            start = read_start(loaded, [prompt], len(prompt) + 40)
            assert follow(loaded, prompt, [], expected, (), 40, start) is None  # it goes on and on
        assert len(asked) <= most + 1
    assert len(asked) > 30


def test_an_end_where_the_text_meets_the_rows_is_an_end_all_the_same(loaded, rows):
    """A token that decodes to nothing leaves the text as it is: what ends there has not said all."""
    prompt = encode_prompt(loaded.tokenizer, rows[0]["messages"][:-1])
    said = [loaded.tokenizer.encode("a", add_special_tokens=False)[0]]
    text = loaded.tokenizer.decode(said)
    end = loaded.tokenizer.eos_token_id

    def only_end(_module, _args, scores):
        scores[..., end] = 1e3
        return scores

    loaded.model.get_output_embeddings().register_forward_hook(only_end)
    with torch.inference_mode():
        start = read_start(loaded, [prompt], len(prompt) + 9)
        assert follow(loaded, prompt, said, text + "b", {text}, 9, start) is None
        assert follow(loaded, prompt, said, text, {text}, 9, start) == ([*said, end], text)


def test_progress_counts_to_the_end(loaded, rows):
    seen = []
    exact_match(loaded, [row["messages"] for row in rows], 8, progress=lambda *counts: seen.append(counts))
    assert seen == [(8, 12), (12, 12)]


def test_a_row_that_does_not_fit_is_refused(loaded):
    long = [{"role": "user", "content": "word " * 1100}, {"role": "assistant", "content": "cards"}]
    with pytest.raises(UserError) as caught:
        exact_match(loaded, [long])
    assert caught.value.where == "row 0"


@pytest.mark.parametrize(
    ("name", "rounding"),
    [("llama", 32), ("llama", 10**6), ("gpt2", 32), ("mistral+window", 32), ("qwen2+window", 32)],
)
@pytest.mark.parametrize("method", ["lora", "prompt-tuning", "prefix-tuning"])
def test_it_equals_generation_on_every_architecture(loaded, rows, name, method, rounding, monkeypatch):
    """Answers that a random model gives are mostly spelt with other tokens than the tokenizer would take."""
    monkeypatch.setattr("training.forced._ROUNDING", rounding)  # a million: every second token is in doubt
    torch.manual_seed(2)
    model = make(name)
    model.resize_token_embeddings(len(loaded.tokenizer), mean_resizing=False)
    other = LoadedModel(adapt(model, TrainSettings(method=method)).eval(), loaded.tokenizer, loaded.base)
    _make_it_end(other)
    prompts = [row["messages"][:-1] for row in rows[::2]]
    answers = generate(other, prompts, GenerateSettings(ROOM, batch_size=1))
    assert any(answer.finish_reason == "stop" for answer in answers)
    conversations = [
        [*prompt, {"role": "assistant", "content": text}]
        for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        for text in (answer.text, answer.text[: number + 1], answer.text + "s")
    ]
    expected = [_generated(other, row) for row in conversations]
    assert 0 < sum(expected) < len(expected)
    assert exact_match(other, conversations, batch_size=5) == expected


def _make_it_end(loaded):
    """Raise the logit of the end of turn, so that a random model does not go on for ever."""
    end = loaded.tokenizer.eos_token_id

    def raise_(_module, _args, scores):
        scores[..., end] += 1.8 * scores.std(-1)
        return scores

    loaded.model.get_output_embeddings().register_forward_hook(raise_)


def _generated(loaded, messages):
    (answer,) = generate(loaded, [messages[:-1]], GenerateSettings(2 * ROOM, batch_size=1))
    said = encode(loaded.tokenizer, messages, 10**6).answer_ids[:-1]
    return answer.finish_reason == "stop" and answer.text == loaded.tokenizer.decode(
        said, skip_special_tokens=True
    )


@pytest.mark.parametrize("ends", ["tokenizer's", "template's"])
def test_any_token_that_ends_an_answer_ends_it(loaded, rows, ends, monkeypatch):
    """A model may end its turn with the template's token or with the tokenizer's: generation takes both."""
    other = 2
    monkeypatch.setattr("training.exact.stop_ids", lambda tokenizer: sorted({*stop_ids(tokenizer), other}))
    monkeypatch.setattr("training.forced.stop_ids", lambda tokenizer: sorted({*stop_ids(tokenizer), other}))
    chosen = other if ends == "tokenizer's" else loaded.tokenizer.eos_token_id

    def only_end(_module, _args, scores):
        scores[..., chosen] = 1e3
        return scores

    loaded.model.get_output_embeddings().register_forward_hook(only_end)
    messages = [*rows[0]["messages"][:-1], {"role": "assistant", "content": ""}]
    assert exact_match(loaded, [messages]) == [True]
