"""Batched answers over a shared prefix are those of each prompt alone."""

from __future__ import annotations

import pytest
import torch

from curation.errors import UserError
from training.encode import encode_prompt, stop_ids
from training.generate import GenerateSettings, generate

SHORT = [[{"role": "user", "content": text}] for text in ("a", "cards and", "tell me the balance of it")]


@pytest.fixture
def prompts(rows):
    return [row["messages"][:-1] for row in rows]


def _alone(loaded, messages, new_tokens):
    """Greedy answer by whole forward passes over one row: no cache, no padding. Ids and entropies."""
    prompt, said, entropies = encode_prompt(loaded.tokenizer, messages), [], []
    while len(said) < new_tokens and not (said and said[-1] in stop_ids(loaded.tokenizer)):
        with torch.no_grad():
            scores = loaded.model(input_ids=torch.tensor([prompt + said])).logits[0, -1]
        said.append(int(scores.argmax()))
        entropies.append(torch.distributions.Categorical(logits=scores).entropy().item())
    return said, sum(entropies) / len(entropies)


@pytest.mark.parametrize("batch_size", [1, 5, 16])
@pytest.mark.parametrize("share", [True, False])
def test_greedy_answers_equal_those_of_each_prompt_alone(loaded, prompts, batch_size, share):
    asked = prompts if share else [*prompts[:3], *SHORT]
    answers = generate(loaded, asked, GenerateSettings(max_new_tokens=6, batch_size=batch_size))
    for messages, answer in zip(asked, answers, strict=True):
        said, entropy = _alone(loaded, messages, 6)
        kept = [token for token in said if token not in stop_ids(loaded.tokenizer)]
        assert answer.text == loaded.tokenizer.decode(kept, skip_special_tokens=True)
        assert answer.output_tokens == len(said)
        assert answer.mean_entropy == pytest.approx(entropy, abs=1e-4)
        assert answer.prompt_tokens == len(encode_prompt(loaded.tokenizer, messages))


def test_an_answer_stops_at_the_end_of_turn_and_its_neighbours_go_on(loaded, prompts):
    end = loaded.tokenizer.eos_token_id
    ends_here = _alone(loaded, prompts[0], 1)[0][0]
    # Make the token that the first prompt starts its answer with the end of turn.
    vocabulary = loaded.model.get_output_embeddings().weight.data
    with torch.no_grad():
        vocabulary[[end, ends_here]] = vocabulary[[ends_here, end]]
    answers = generate(loaded, [*prompts[:2], *SHORT], GenerateSettings(max_new_tokens=4))
    expected = [_alone(loaded, messages, 4)[0] for messages in [*prompts[:2], *SHORT]]
    assert [answer.output_tokens for answer in answers] == [len(said) for said in expected]
    assert {answer.finish_reason for answer in answers} == {"stop", "length"}
    assert [answer.finish_reason == "stop" for answer in answers] == [said[-1] == end for said in expected]


def test_samples_depend_on_the_seed_and_not_on_the_batch(loaded, prompts):
    def texts(**settings):
        settings = GenerateSettings(max_new_tokens=5, temperature=1.0, **settings)
        return [answer.text for answer in generate(loaded, prompts, settings)]

    assert texts(batch_size=3) == texts(batch_size=12)
    assert texts(seed=1) != texts(seed=2)


def test_samples_follow_the_distribution(loaded):
    prompts = [SHORT[0]] * 400
    settings = GenerateSettings(max_new_tokens=1, temperature=0.7, batch_size=400)
    drawn = [answer.text for answer in generate(loaded, prompts, settings)]
    ids = torch.tensor([encode_prompt(loaded.tokenizer, SHORT[0])])
    with torch.no_grad():
        probability = (loaded.model(input_ids=ids).logits[0, -1] / 0.7).softmax(-1)
    texts = [loaded.tokenizer.decode([token], skip_special_tokens=True) for token in range(len(probability))]
    # Half of the distribution by text, because several tokens are parts of a character and print alike.
    likely = sorted(set(texts))[: len(set(texts)) // 2]
    expected = sum(p for p, text in zip(probability.tolist(), texts, strict=True) if text in likely)
    share = sum(text in likely for text in drawn) / len(drawn)
    assert 0.1 < expected < 0.9
    assert abs(share - expected) < 4 * (expected * (1 - expected) / len(drawn)) ** 0.5


def test_progress_counts_to_the_end(loaded, prompts):
    seen = []
    generate(
        loaded, prompts, GenerateSettings(1, batch_size=5), lambda done, total: seen.append((done, total))
    )
    assert seen == [(5, 12), (10, 12), (12, 12)]


def test_a_prompt_that_does_not_fit_is_refused(loaded):
    with pytest.raises(UserError) as caught:
        generate(loaded, [SHORT[0], [{"role": "user", "content": "word " * 1100}]])
    assert caught.value.where == "prompt 1"


def test_no_prompts_give_no_answers(loaded):
    assert generate(loaded, []) == []
