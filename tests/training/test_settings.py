"""Settings refuse nonsense with the field's name and survive a round trip."""

from __future__ import annotations

import json

import pytest

from curation.errors import UserError
from training.settings import TrainSettings


def test_round_trip_through_json():
    settings = TrainSettings(method="full", epochs=1, last_layers=None, learning_rate=1e-4)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_left_out_fields_keep_their_defaults():
    assert TrainSettings.from_dict({"epochs": 2}) == TrainSettings(epochs=2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("method", "lora2"),
        ("precision", "fp8"),
        ("lr_scheduler", "step"),
        ("epochs", 0),
        ("epochs", "three"),
        ("epochs", float("nan")),
        ("learning_rate", float("inf")),
        ("learning_rate", -1e-3),
        ("batch_size", 2.5),
        ("batch_size", True),
        ("gradient_accumulation_steps", 0),
        ("warmup_steps", -1),
        ("lora_rank", 0),
        ("lora_dropout", 1.0),
        ("last_layers", -1),
        ("max_length", 4),
        ("threads", -2),
        ("base_model", " "),
        ("epochs", 1e9),
        ("learning_rate", 1e6),
        ("lora_rank", 2**40),
        ("seed", 2**64),
        ("threads", 10**6),
    ],
)
def test_nonsense_is_refused_with_the_field_and_a_fix(field, value):
    with pytest.raises(UserError) as caught:
        TrainSettings.from_dict({field: value})
    assert caught.value.where == f"train.{field}"
    assert caught.value.fix


def test_an_unknown_field_is_refused_and_the_known_ones_are_listed():
    with pytest.raises(UserError) as caught:
        TrainSettings.from_dict({"epoch": 3})
    assert caught.value.where == "train.epoch"
    assert "epochs" in caught.value.fix


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"early_stopping_patience": 2}, "early_stopping_patience"),
        ({"load_best_model_at_end": True}, "load_best_model_at_end"),
        ({"early_stopping_threshold": 0.1}, "early_stopping_threshold"),
        ({"method": "full", "lora_dropout": 0.1}, "lora_dropout"),
        ({"method": "prefix-tuning", "last_layers": 3}, "last_layers"),
        ({"method": "full", "learning_rate": 0.1}, "learning_rate"),
        ({"method": "p-tuning", "attention": "flex_attention"}, "attention"),
        ({"method": "prefix-tuning", "gradient_checkpointing": True}, "gradient_checkpointing"),
        ({"method": "full", "lora_rank": 64}, "lora_rank"),
        ({"method": "ia3", "lora_alpha": 64}, "lora_alpha"),
        ({"num_virtual_tokens": 5}, "num_virtual_tokens"),
        ({"metric_for_best_model": "exact_match"}, "metric_for_best_model"),
        ({"eval_steps": 3}, "eval_steps"),
        ({"eval_strategy": "epoch", "eval_steps": 3}, "eval_steps"),
        ({"method": "p-tuning", "activation_cache": "kept"}, "activation_cache"),
    ],
)
def test_settings_that_contradict_are_refused_with_the_fix(values, field):
    with pytest.raises(UserError) as caught:
        TrainSettings.from_dict(values)
    assert caught.value.where == f"train.{field}"
    assert caught.value.fix


def test_what_is_left_out_is_the_method_s_own():
    assert [TrainSettings(method=m).rate for m in ("lora", "full", "prompt-tuning")] == [1e-3, 1e-4, 1e-2]
    assert TrainSettings(learning_rate=0.5).rate == 0.5
    assert [TrainSettings(method=m).first_layer(30) for m in ("lora", "full")] == [20, 0]
    assert TrainSettings(last_layers=0).first_layer(30) == 0
    assert TrainSettings(method="full", last_layers=4).first_layer(30) == 26
