"""The adapter sits where it should, and the loss is the mean over the effective batch's answer tokens."""

from __future__ import annotations

import pytest
import torch
from peft import get_peft_model
from transformers import GPT2Config, GPT2LMHeadModel

from curation.errors import UserError
from training.adapters import adapt, peft_config
from training.encode import encode
from training.evaluate import measure
from training.model import LoadedModel, load, load_base
from training.settings import TrainSettings
from training.trainer import Run, train

LINEAR = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def _adapted(base, precision="fp32", **settings):
    settings = TrainSettings(precision=precision, **settings)
    loaded = load(base, precision=precision)
    torch.manual_seed(settings.seed)
    return LoadedModel(
        get_peft_model(loaded.model, peft_config(loaded.model, settings)), loaded.tokenizer, base
    ), settings


def _encoded(loaded, rows):
    return [encode(loaded.tokenizer, row["messages"], 512) for row in rows]


def _trained(loaded, rows, settings, scratch):
    steps = []
    names = [row["id"] for row in rows]
    train(loaded, Run(settings, _encoded(loaded, rows), names, scratch, steps.append))
    return steps, {name: weight for name, weight in loaded.model.named_parameters() if weight.requires_grad}


@pytest.mark.parametrize(("last_layers", "layers"), [(1, {1}), (None, {0, 1}), (0, {0, 1}), (9, {0, 1})])
def test_all_linear_maps_of_the_last_layers_are_adapted(tiny, last_layers, layers):
    loaded, _ = _adapted(tiny, last_layers=last_layers)
    names = [name for name, weight in loaded.model.named_parameters() if weight.requires_grad]
    for layer in range(2):
        inside = {part for name in names if f".layers.{layer}." in name for part in name.split(".")}
        assert inside & LINEAR == (LINEAR if layer in layers else set())
    assert not any("lm_head" in name or "embed" in name for name in names)


def test_convolutions_that_are_linear_maps_are_adapted_too():
    model = GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=2, vocab_size=32, n_positions=32))
    adapted = get_peft_model(model, peft_config(model, TrainSettings(last_layers=1, lora_rank=2)))
    trained = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    assert {
        part for name in trained for part in ("attn.c_attn", "mlp.c_fc", "mlp.c_proj") if part in name
    } == {
        "attn.c_attn",
        "mlp.c_fc",
        "mlp.c_proj",
    }
    assert all(".h.1." in name for name in trained)


def test_adapter_weights_stay_fp32_under_bf16(tiny, rows, tmp_path):
    loaded, settings = _adapted(tiny, "bf16", epochs=1, last_layers=1)
    _, trained = _trained(loaded, rows, settings, tmp_path)
    assert {weight.dtype for weight in trained.values()} == {torch.float32}
    assert loaded.model.get_decoder().embed_tokens.weight.dtype == torch.bfloat16


def test_the_reported_loss_is_the_mean_over_answer_tokens(tiny, rows, tmp_path):
    loaded, settings = _adapted(tiny, epochs=1, batch_size=12, last_layers=1)
    before = measure(loaded, _encoded(loaded, rows), "fp32").loss
    steps, _ = _trained(loaded, rows, settings, tmp_path)
    assert [step["loss"] for step in steps] == [pytest.approx(before, rel=1e-5)]


def test_accumulated_batches_train_like_one_batch(tiny, rows, tmp_path):
    results = []
    for batch, accumulated in ((12, 1), (5, 3)):
        # Without warm-up and clipping, one step moves the weights by the gradient's sign: sums must agree.
        loaded, settings = _adapted(
            tiny, epochs=1, batch_size=batch, gradient_accumulation_steps=accumulated, last_layers=2
        )
        results.append(_trained(loaded, rows, settings, tmp_path))
    (one, _), (three, _) = results
    assert len(one) == len(three) == 1
    assert three[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-5)


def test_steps_report_their_place_and_the_learning_rate_falls(tiny, rows, tmp_path):
    loaded, settings = _adapted(tiny, epochs=2, batch_size=4)
    steps, _ = _trained(loaded, rows, settings, tmp_path)
    assert [(step["step"], step["total"]) for step in steps] == [(i, 6) for i in range(1, 7)]
    assert steps[-1]["learning_rate"] < max(step["learning_rate"] for step in steps) <= settings.rate
    assert steps[-1]["epoch"] == 2


def test_a_loss_that_is_not_a_number_stops_the_run_and_names_the_step(tiny, rows, tmp_path):
    loaded, settings = _adapted(tiny, epochs=1, batch_size=4)
    with torch.no_grad():
        loaded.model.get_decoder().norm.weight.fill_(float("nan"))
    with pytest.raises(UserError, match=r"step 1, on the rows r\d") as caught:
        _trained(loaded, rows, settings, tmp_path)
    assert caught.value.where == "train.learning_rate"


@pytest.mark.parametrize(
    "change",
    [
        {"packing": False},
        {"activation_cache": "off"},
        {"attention": "eager"},
        {"gradient_checkpointing": True},
        {"gradient_checkpointing": True, "activation_cache": "off", "packing": False},
    ],
    ids=str,
)
def test_how_a_step_is_computed_does_not_change_it(tiny, rows, tmp_path, change):
    losses = []
    for name, settings in (("as it is", {}), ("changed", change)):
        chosen = TrainSettings(precision="fp32", epochs=2, batch_size=5, last_layers=1, **settings)
        torch.manual_seed(0)
        loaded = load_base(tiny, torch.float32, attention=chosen.attention)
        loaded = LoadedModel(adapt(loaded.model, chosen), loaded.tokenizer, tiny)
        steps, _ = _trained(loaded, rows, chosen, tmp_path / name)
        losses.append([step["loss"] for step in steps])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
