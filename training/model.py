"""Load a base model with its tokenizer, and an adapter or fine-tuned weights on top of it."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from curation.errors import UserError
from training.embedded import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass
class LoadedModel:
    """A model in memory with its tokenizer, and the directory of the base it came from."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    base: Path


def load(
    base: Path, adapter: Path | None = None, precision: str = "auto", *, trust_remote_code: bool = False
) -> LoadedModel:
    """Load a model for inference, on the best device there is, from safetensors only.

    Args:
        base: A model directory with configuration, weights and tokenizer.
        adapter: A PEFT adapter directory, or a fine-tuned model's directory (the base is then not read).
        precision: "auto", "fp32" or "bf16": what the weights are held in.
        trust_remote_code: Run Python code from the model's directory.

    Raises:
        UserError: `adapter` is neither of the two.
    """
    how: dict[str, Any] = {"dtype": dtype_of(precision), "trust": trust_remote_code}
    if adapter is None:
        return load_base(base, **how)
    if (adapter / "adapter_config.json").is_file():
        loaded = load_base(base, **how)
        return LoadedModel(_with_adapter(loaded.model, adapter), loaded.tokenizer, base)
    if (adapter / "config.json").is_file():
        whole = load_base(adapter, **how)
        return LoadedModel(whole.model, whole.tokenizer, base)
    raise UserError(
        "neither an adapter (adapter_config.json) nor a model (config.json) is in this directory",
        where=str(adapter),
        fix="give the model/ directory of a completed training run",
    )


def load_base(
    base: Path, dtype: torch.dtype, *, attention: str = "auto", trust: bool = False, nf4: bool = False
) -> LoadedModel:
    """Load the model of one directory, in evaluation mode.

    Args:
        base: A model directory with configuration, weights and tokenizer.
        dtype: Of the weights, and of the arithmetic where they are quantised.
        attention: "auto" for the fastest exact one of the model, or one of transformers' names.
        trust: Run Python code from the directory.
        nf4: Hold the linear maps in 4 bits (NF4, double quantisation), for QLoRA.

    Raises:
        UserError: the weights are not in safetensors files, or a file is damaged.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    quiet()
    if not any(base.glob("*.safetensors")):
        raise UserError(
            "the model directory has no safetensors weights",
            where=str(base),
            fix="save it again with save_pretrained, which writes safetensors",
        )
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": trust}
    chosen = {} if attention == "auto" else {"attn_implementation": attention}
    with readable(base):
        model = AutoModelForCausalLM.from_pretrained(
            base,
            dtype=dtype,
            use_safetensors=True,
            **options,
            **chosen,
            **(_in_four_bits(dtype) if nf4 else {}),
        )
        tokenizer = AutoTokenizer.from_pretrained(base, **options)
    # Quantised weights were put where they belong as they were made.
    return LoadedModel(evaluating(model if nf4 else model.to(device())), tokenizer, base)


def evaluating(model: PreTrainedModel) -> PreTrainedModel:
    """Put a model into evaluation mode, and return it.

    Maps in 4 bits are left in training mode, which changes nothing that they compute: in the other one
    bitsandbytes repacks them on a CPU, for good, in a way that no gradient runs through.
    """
    model.eval()
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.training = True
    return model


def _in_four_bits(dtype: torch.dtype) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    how = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": how, "device_map": {"": device()}}


@contextlib.contextmanager
def readable(directory: Path) -> Iterator[None]:
    """Turn any fault of reading a model's files into an error that names their directory."""
    try:
        yield
    except (
        Exception
    ) as error:  # configuration, weights and tokenizer are read by libraries with faults of their own
        raise UserError(
            f"the model cannot be read: {type(error).__name__}: {error}",
            where=str(directory),
            fix="write the directory again with save_pretrained, or fetch it again",
        ) from error


def device() -> torch.device:
    """Return the accelerator of this machine, or its CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def context_of(loaded: LoadedModel) -> int | None:
    """Return how many tokens the model can read; None where it does not say."""
    limit: int | None = getattr(loaded.model.config, "max_position_embeddings", None)
    return limit


def dtype_of(precision: str) -> torch.dtype:
    """Turn "auto", "fp32" or "bf16" into a dtype; auto is bf16 only where the hardware multiplies it."""
    if precision == "bf16" or (precision == "auto" and _has_bf16()):
        return torch.bfloat16
    return torch.float32


def _has_bf16() -> bool:
    where = device()
    if where.type == "cuda":
        # Emulated bf16 (before Ampere) is slower than fp32.
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if where.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return any(bool(capabilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return False


def autocast(model: PreTrainedModel, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context a forward pass runs in: bf16 autocast, or nothing for fp32."""
    if dtype_of(precision) == torch.bfloat16:
        return torch.autocast(model.device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def as_loaded(loaded: LoadedModel, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Return the context for inference: the arithmetic of the weights as they were loaded.

    Raises:
        UserError: another precision is asked for than the weights have.
    """
    held = "bf16" if loaded.model.get_input_embeddings().weight.dtype == torch.bfloat16 else "fp32"
    if precision not in ("auto", held):
        raise UserError(
            f"{precision} was asked for, but the model was loaded in {held}",
            where="precision",
            fix=f'load the model with precision="{precision}"',
        )
    # Under bf16 weights an adapter is still fp32: autocast brings the two together.
    return autocast(loaded.model, held)


def _with_adapter(model: PreTrainedModel, adapter: Path) -> PeftModel:
    from peft import PeftModel

    with readable(adapter):
        return PeftModel.from_pretrained(model, str(adapter)).eval()
