"""Every method trains what it says, on every common architecture, and nothing else."""

from __future__ import annotations

import re

import pytest
import torch

from curation.errors import UserError
from tests.training.shapes import PLAIN, make
from training import adapters
from training.adapters import adapt, demand_bitsandbytes, linear_maps
from training.encode import Encoded
from training.pack import answer_loss, pack
from training.settings import TrainSettings

MAPS = {
    "gpt2": {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"},
    "others": {
        *(f"self_attn.{part}_proj" for part in "qkvo"),
        *(f"mlp.{part}_proj" for part in ("gate", "up", "down")),
    },
}
PREFIX = list(range(10, 40))
ROWS = [Encoded([*PREFIX, 50 + i], [60 + i, 1]) for i in range(3)]


@pytest.mark.parametrize("name", PLAIN)
def test_all_linear_maps_of_the_last_layers_are_found(name):
    found = linear_maps(make(name), TrainSettings(last_layers=2))
    parts = [re.fullmatch(r".*\.(\d)\.(.*)", path).groups() for path in found]
    expected = MAPS.get(name, MAPS["others"])
    assert sorted(parts) == sorted((layer, part) for layer in "12" for part in expected)


@pytest.mark.parametrize("method", ["lora", "dora", "rslora", "loha", "lokr", "ia3", "vera"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma"])
def test_an_adapter_learns_in_the_last_layer_alone(method, name):
    rank = {} if method == "ia3" else {"lora_rank": 2}
    if name == "gpt2" and method in ("loha", "lokr"):
        with pytest.raises(UserError, match="gpt2"):
            adapt(make(name), TrainSettings(method=method, last_layers=1, **rank))
        return
    torch.manual_seed(0)
    model = adapt(make(name), TrainSettings(method=method, last_layers=1, **rank))
    trained = {path: weight for path, weight in model.named_parameters() if weight.requires_grad}
    # VeRA's vectors are of one layer each, its two projections of all.
    assert all(".2." in path for path in trained)
    before = _loss(model)
    optimizer = torch.optim.Adam(trained.values(), lr=3e-3)
    for _ in range(4):
        optimizer.zero_grad()
        _loss(model).backward()
        optimizer.step()
    assert _loss(model) < before


@pytest.mark.parametrize("method", ["prompt-tuning", "p-tuning", "prefix-tuning"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "gemma", "mistral+window", "gemma3+window"])
def test_virtual_tokens_before_packed_rows_are_those_before_each_row_alone(method, name):
    torch.manual_seed(0)
    model = adapt(make(name), TrainSettings(method=method, num_virtual_tokens=5)).eval()
    packed = _loss(model)
    packed.backward()
    mine = {path: w.grad.clone() for path, w in model.named_parameters() if w.requires_grad}
    model.zero_grad()
    alone = torch.stack([_alone(model, row) for row in ROWS]).sum()
    alone.backward()
    torch.testing.assert_close(packed, alone, rtol=1e-4, atol=1e-4)
    assert mine
    for path, weight in model.named_parameters():
        if weight.requires_grad:
            torch.testing.assert_close(mine[path], weight.grad, rtol=1e-3, atol=1e-4)


def _alone(model, row):
    """The loss of one row by PEFT's own forward pass."""
    labels = torch.tensor([[-100] * len(row.prompt_ids) + row.answer_ids])
    ids = torch.tensor([row.ids])
    logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, -len(row.ids) :]
    return torch.nn.functional.cross_entropy(logits[:-1], labels[0, 1:], ignore_index=-100, reduction="sum")


def _loss(model):
    return torch.stack([answer_loss(model, one) for one in pack(ROWS)]).sum()


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_full_fine_tuning_trains_whole_layers(name):
    whole = adapt(make(name), TrainSettings(method="full"))
    assert all(weight.requires_grad for weight in whole.parameters())
    last = adapt(make(name), TrainSettings(method="full", last_layers=1))
    for path, weight in last.named_parameters():
        assert weight.requires_grad == (".2." in path)


def test_qlora_without_its_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr(adapters.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes") as caught:
        demand_bitsandbytes("train.method", "qlora", 'use method "lora"')
    assert "pip install" in caught.value.fix
