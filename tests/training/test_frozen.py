"""Starting above the frozen layers trains the same adapter, and only where that is known to be safe."""

from __future__ import annotations

import pytest
import torch
from peft import get_peft_model
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from training import frozen
from training.adapters import adapt, peft_config
from training.encode import Encoded
from training.frozen import lower_states, upper_part
from training.model import LoadedModel, load
from training.pack import answer_loss, pack
from training.settings import TrainSettings

SETTINGS = TrainSettings(precision="fp32")
PREFIX = list(range(10, 40))
ROWS = [Encoded([*PREFIX, *range(41, 44 + i % 4), 50 + i], [60 + i, 1]) for i in range(9)]
SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
PLAIN = [LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config]


def _adapted(config, last_layers):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    adapter = peft_config(model, TrainSettings(last_layers=last_layers, lora_rank=4))
    # Random instead of zero, or no gradient would reach its first half.
    adapter.init_lora_weights = False
    return LoadedModel(get_peft_model(model, adapter).double(), None, None)


def _loss_and_gradients(model, packs):
    model.zero_grad()
    loss = torch.stack([answer_loss(model, packed) for packed in packs]).sum()
    loss.backward()
    return loss, {
        name.split(".layers.")[-1][2:]: w.grad for name, w in model.named_parameters() if w.requires_grad
    }


@pytest.mark.parametrize("config", PLAIN, ids=lambda config: config.model_type)
@pytest.mark.parametrize("chosen", [[0, 1, 2], [8, 3, 3, 1], [4], [7, 0]])
def test_loss_and_gradients_are_the_same_from_the_middle(config, chosen):
    loaded = _adapted(config(**SIZES), last_layers=1)
    states = lower_states(loaded, ROWS, SETTINGS)
    assert states.layers == 2
    packs = pack([ROWS[i] for i in chosen], 60)
    loss, gradients = _loss_and_gradients(loaded.model, packs)
    with upper_part(loaded.model, states):
        short = [states.give(packed, chosen) for packed in packs]
        short_loss, short_gradients = _loss_and_gradients(loaded.model, short)
    torch.testing.assert_close(short_loss, loss, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(short_gradients, gradients, rtol=1e-4, atol=1e-5)


def test_the_model_is_whole_again_afterwards():
    loaded = _adapted(LlamaConfig(**SIZES), last_layers=1)
    before = _loss_and_gradients(loaded.model, pack(ROWS))[0]
    states = lower_states(loaded, ROWS, SETTINGS)
    with upper_part(loaded.model, states):
        assert len(loaded.model.get_decoder().layers) == 1
    assert len(loaded.model.get_decoder().layers) == 3
    torch.testing.assert_close(_loss_and_gradients(loaded.model, pack(ROWS))[0], before)


def test_the_shared_prefix_is_held_once():
    states = lower_states(_adapted(LlamaConfig(**SIZES), last_layers=1), ROWS, SETTINGS)
    suffixes = sum(len(row.ids) - 1 - states.shared for row in ROWS)
    assert states.shared == len(PREFIX) + 3
    assert len(states.table) == states.shared + suffixes


def test_nothing_is_kept_where_every_layer_trains():
    assert lower_states(_adapted(LlamaConfig(**SIZES), last_layers=0), ROWS, SETTINGS) is None


def test_nothing_is_kept_for_an_architecture_that_is_not_known_to_be_a_chain():
    config = GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=128, n_positions=64)
    assert lower_states(_adapted(config, last_layers=1), ROWS, SETTINGS) is None


def test_nothing_is_kept_where_it_would_take_too_much_memory(monkeypatch):
    monkeypatch.setattr(frozen, "_MOST_BYTES", 100)
    assert lower_states(_adapted(LlamaConfig(**SIZES), last_layers=1), ROWS, SETTINGS) is None


@pytest.mark.parametrize("chosen", [[4, 2, 0], [3, 1], [2, 5, 1, 4], [5]])
def test_a_prefix_is_known_whichever_of_its_rows_is_first(chosen):
    """Two prefixes that start alike: what all rows share is shorter than what each group shares."""
    common, one, other = list(range(2, 22)), list(range(30, 60)), list(range(60, 80))
    rows = [Encoded([*common, *(one if i < 4 else other), 80 + i], [90 + i, 1]) for i in range(6)]
    loaded = _adapted(LlamaConfig(**SIZES), last_layers=1)
    states = lower_states(loaded, rows, SETTINGS)
    plain = pack([rows[i] for i in chosen])
    expected, gradients = _loss_and_gradients(loaded.model, plain)
    with upper_part(loaded.model, states):
        loss, found = _loss_and_gradients(loaded.model, [states.give(packed, chosen) for packed in plain])
    torch.testing.assert_close(loss, expected)
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, gradients[name])


def test_a_retrain_computes_only_its_new_rows(tmp_path, tiny, monkeypatch):
    settings = TrainSettings(precision="fp32", last_layers=1)
    loaded = load(tiny, precision="fp32")
    loaded = LoadedModel(adapt(loaded.model, settings), loaded.tokenizer, tiny)
    prefix = list(range(10, 40))
    rows = [Encoded([*prefix, 100 + i, *range(41, 44 + i % 4)], [60 + i, 1]) for i in range(9)]
    more = [Encoded([*prefix, 120, 121], [61, 62, 1]), Encoded([*prefix, 130], [1])]
    ran = []
    real = frozen._run
    monkeypatch.setattr(
        frozen, "_run", lambda model, packed: ran.append(packed.input_ids.numel()) or real(model, packed)
    )
    lower_states(loaded, rows, settings, tmp_path)
    ran.clear()
    lower_states(loaded, rows, settings, tmp_path)
    assert ran == []
    warm = lower_states(loaded, [*more, *rows[::-1]], settings, tmp_path)
    assert ran == [len(prefix) + 4 + 1]
    cold = lower_states(loaded, [*more, *rows[::-1]], settings)
    torch.testing.assert_close(warm.table, cold.table, rtol=1e-5, atol=1e-5)
    # Another base, or another common start, knows nothing of these.
    ran.clear()
    lower_states(loaded, [Encoded(row.prompt_ids[1:], row.answer_ids) for row in rows], settings, tmp_path)
    assert ran != []
