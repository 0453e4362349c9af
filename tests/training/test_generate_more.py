"""Streaming, stop strings, cuts of the distribution, other architectures, swapped adapters."""

from __future__ import annotations

import shutil

import pytest
import torch

from curation.errors import UserError
from tests.training.shapes import make
from training.adapters import adapt
from training.encode import encode_prompt, stop_ids
from training.generate import GenerateSettings, generate
from training.job import run
from training.model import LoadedModel, load
from training.settings import TrainSettings
from training.swap import swap_adapter

SHORT = [[{"role": "user", "content": text}] for text in ("a", "cards and", "tell me the balance of it")]


@pytest.fixture
def prompts(rows):
    return [row["messages"][:-1] for row in rows]


@pytest.mark.parametrize("share", [True, False])
def test_streamed_texts_add_up_to_the_answers(loaded, prompts, share):
    asked = prompts if share else SHORT
    streamed = dict.fromkeys(range(len(asked)), "")

    def stream(index, text):
        assert text
        streamed[index] += text

    answers = generate(loaded, asked, GenerateSettings(6, batch_size=5), stream=stream)
    assert [streamed[i] for i in range(len(asked))] == [answer.text for answer in answers]


def test_a_stop_string_ends_an_answer_and_is_never_shown(loaded, prompts):
    whole = generate(loaded, prompts, GenerateSettings(12))
    text = next(answer.text for answer in whole if len(answer.text) > 8)
    stop = text[4:7]
    streamed = dict.fromkeys(range(len(prompts)), "")

    def stream(index, new):
        streamed[index] += new

    answers = generate(loaded, prompts, GenerateSettings(12, stop=(stop, "no such text")), stream=stream)
    for before, answer in zip(whole, answers, strict=True):
        assert answer.text == before.text.partition(stop)[0]
        if stop in before.text:
            assert answer.finish_reason == "stop"
            assert answer.output_tokens <= before.output_tokens
    assert [streamed[i] for i in range(len(prompts))] == [answer.text for answer in answers]


def test_only_the_likeliest_tokens_are_sampled(loaded):
    ids = torch.tensor([encode_prompt(loaded.tokenizer, SHORT[0])])
    with torch.no_grad():
        likely = loaded.model(input_ids=ids).logits[0, -1].softmax(-1)
    order = likely.argsort(descending=True)

    def drawn(**settings):
        how = GenerateSettings(1, temperature=1.0, batch_size=200, **settings)
        return {answer.text for answer in generate(loaded, [SHORT[0]] * 200, how)}

    def texts(tokens):
        return {loaded.tokenizer.decode([token], skip_special_tokens=True) for token in tokens.tolist()}

    assert drawn(top_k=1) == texts(order[:1])
    assert drawn(top_k=3) <= texts(order[:3])
    nucleus = int((likely[order].cumsum(0) < 0.5).sum()) + 1
    assert drawn(top_p=0.5) <= texts(order[:nucleus])
    assert len(drawn(top_p=0.5)) > 1


@pytest.mark.parametrize("name", ["mistral+window", "qwen2+window", "gemma3+window", "gpt2", "gemma"])
@pytest.mark.parametrize("method", ["lora", "prompt-tuning", "prefix-tuning"])
def test_answers_of_other_architectures_equal_those_of_each_prompt_alone(loaded, name, method, rows):
    torch.manual_seed(1)
    model = make(name)
    model.resize_token_embeddings(len(loaded.tokenizer), mean_resizing=False)
    virtual = {} if method == "lora" else {"num_virtual_tokens": 3}
    settings = TrainSettings(method=method, **virtual)
    other = LoadedModel(adapt(model, settings).eval(), loaded.tokenizer, loaded.base)
    asked = [*[row["messages"][:-1] for row in rows[:2]], *SHORT]
    for answer, messages in zip(generate(other, asked, GenerateSettings(5)), asked, strict=True):
        said = _by_peft(other, messages, 5)
        kept = [token for token in said if token not in stop_ids(loaded.tokenizer)]
        assert answer.text == loaded.tokenizer.decode(kept, skip_special_tokens=True)


def _by_peft(loaded, messages, new_tokens):
    """Greedy answer by PEFT's own forward passes over one row."""
    prompt, said = encode_prompt(loaded.tokenizer, messages), []
    while len(said) < new_tokens and not (said and said[-1] in stop_ids(loaded.tokenizer)):
        ids = torch.tensor([prompt + said])
        with torch.no_grad():
            scores = loaded.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -1]
        said.append(int(scores.argmax()))
    return said


def test_adapters_are_swapped_on_one_base(make_job, tiny, prompts):
    jobs = [make_job(name, epochs=3, seed=seed, learning_rate=2e-2) for seed, name in enumerate("ab")]
    for job in jobs:
        run(job)

    def texts(loaded):
        return [answer.text for answer in generate(loaded, prompts, GenerateSettings(6))]

    base = texts(load(tiny, precision="fp32"))
    one, two = (texts(load(tiny, job / "model", "fp32")) for job in jobs)
    assert one != base
    swapped = load(tiny, precision="fp32")
    for job, wanted in ((jobs[0], one), (jobs[1], two), (None, base), (jobs[0], one)):
        swapped = swap_adapter(swapped, job and job / "model")
        assert texts(swapped) == wanted
    with pytest.raises(UserError, match="no adapter"):
        swap_adapter(swapped, tiny)
    # A retrain writes another adapter to the same place.
    shutil.rmtree(jobs[0] / "model")
    shutil.copytree(jobs[1] / "model", jobs[0] / "model")
    assert texts(swap_adapter(swapped, jobs[0] / "model")) == two


def test_an_adapter_of_another_kind_is_not_swapped_in(make_job, tiny):
    kinds = {name: make_job(name, epochs=1, method=name) for name in ("lora", "ia3", "prompt-tuning")}
    for job in kinds.values():
        run(job)
    with pytest.raises(UserError, match="IA3 cannot take the place of LORA"):
        swap_adapter(load(tiny, kinds["lora"] / "model", "fp32"), kinds["ia3"] / "model")
    with pytest.raises(UserError, match="virtual tokens cannot be swapped"):
        swap_adapter(load(tiny, kinds["prompt-tuning"] / "model", "fp32"), None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_new_tokens", 0),
        ("batch_size", 0),
        ("temperature", -1.0),
        ("temperature", float("nan")),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 2.0),
        ("stop", ("",)),
        ("stop", "abc"),
    ],
)
def test_settings_that_generate_nothing_are_refused(field, value):
    with pytest.raises(UserError) as caught:
        GenerateSettings(**{field: value})
    assert caught.value.where == f"generate.{field}"
