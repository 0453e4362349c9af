"""Make a model trainable by one of the methods: which weights train, and where adapters sit."""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any, get_args

import torch
from transformers.pytorch_utils import Conv1D

from curation.errors import UserError
from training.settings import LoraMethod, TrainSettings

if TYPE_CHECKING:
    from peft import PeftConfig
    from transformers import PreTrainedModel

_LAYER = re.compile(r"\.(\d+)\.")


def adapt(model: PreTrainedModel, settings: TrainSettings) -> PreTrainedModel:
    """Return the model with what the method trains requiring gradients, and nothing else.

    Args:
        model: A causal language model of transformers.
        settings: Method, rank, alpha, dropout and how many of the last layers.

    Raises:
        UserError: PEFT cannot apply the method to this architecture.
    """
    if settings.method == "full":
        return _unfreeze(model, settings)
    from peft import get_peft_model

    try:
        adapted = get_peft_model(model, peft_config(model, settings))
    except (ValueError, TypeError, AttributeError, KeyError) as error:  # what PEFT raises for what it lacks
        raise UserError(
            f"{settings.method} does not work on {model.config.model_type}: {error}",
            where="train.method",
            fix='use "lora", which works on every architecture with linear layers',
        ) from error
    # The name as the user gave it, not this machine's path: the same job writes the same adapter anywhere.
    adapted.peft_config["default"].base_model_name_or_path = settings.base_model
    return adapted


def demand_bitsandbytes(where: str, what: str, other: str) -> None:
    """Refuse what needs the library that quantises where that is missing.

    Args:
        where: The setting that asks for it.
        what: What it asks for.
        other: What can be had without.

    Raises:
        UserError: bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        fix = f"pip install 'regrind[qlora]' (or bitsandbytes), or {other}"
        raise UserError(f"{what} needs bitsandbytes, which is not installed here", where=where, fix=fix)


def linear_maps(model: PreTrainedModel, settings: TrainSettings) -> list[str]:
    """Return the names of the linear maps inside the layers that are trained, of any decoder.

    Raises:
        UserError: the model has no linear map inside numbered layers.
    """
    found = [
        (name, int(layer[1]))
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and (layer := _LAYER.search(name))
    ]
    if not found:
        raise UserError(
            f"no linear layers were found in {model.config.model_type}",
            where="train.base_model",
            fix="use a decoder-only language model of transformers",
        )
    first = settings.first_layer(1 + max(layer for _, layer in found))
    return [name for name, layer in found if layer >= first]


def peft_config(model: PreTrainedModel, settings: TrainSettings) -> PeftConfig:
    """Describe the adapter of a method other than full fine-tuning."""
    if settings.virtual:
        return _virtual_config(settings)
    import peft

    maps = linear_maps(model, settings)
    shape: dict[str, Any] = {"task_type": "CAUSAL_LM", "target_modules": maps}
    if settings.method in get_args(LoraMethod):
        return peft.LoraConfig(
            **shape,
            r=settings.lora_rank,
            lora_alpha=settings.lora_alpha,
            lora_dropout=settings.lora_dropout,
            fan_in_fan_out=_transposed(model),
            use_dora=settings.method == "dora",
            use_rslora=settings.method == "rslora",
        )
    if settings.method == "ia3":
        # Feed-forward maps have their input scaled, the others their output; the last map leads back out.
        return peft.IA3Config(
            **shape,
            feedforward_modules=[n for n in maps if n.endswith(("down_proj", "c_proj", "fc2"))],
            fan_in_fan_out=_transposed(model),
        )
    if settings.method == "vera":
        return peft.VeraConfig(
            **shape,
            r=settings.lora_rank,
            vera_dropout=settings.lora_dropout,
            fan_in_fan_out=_transposed(model),
            projection_prng_key=settings.seed,
        )
    kind = {"loha": peft.LoHaConfig, "lokr": peft.LoKrConfig}[settings.method]
    ranks = {"r": settings.lora_rank, "alpha": settings.lora_alpha, "module_dropout": settings.lora_dropout}
    return kind(**shape, **ranks)


def _virtual_config(settings: TrainSettings) -> PeftConfig:
    import peft

    kinds = {
        "prompt-tuning": peft.PromptTuningConfig,
        "p-tuning": peft.PromptEncoderConfig,
        "prefix-tuning": peft.PrefixTuningConfig,
    }
    return kinds[settings.method](task_type="CAUSAL_LM", num_virtual_tokens=settings.num_virtual_tokens)


def _unfreeze(model: PreTrainedModel, settings: TrainSettings) -> PreTrainedModel:
    numbers = [int(found[1]) for name, _ in model.named_parameters() if (found := _LAYER.search(name))]
    first = settings.first_layer(1 + max(numbers, default=0))
    for name, weight in model.named_parameters():
        layer = _LAYER.search(name)
        weight.requires_grad_(first == 0 or (layer is not None and int(layer[1]) >= first))
    return model


def _transposed(model: PreTrainedModel) -> bool:
    return any(isinstance(module, Conv1D) for module in model.modules())
