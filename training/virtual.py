"""Trained virtual tokens: what every row of a pack sees before its own start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from transformers import DynamicCache, PreTrainedModel


class Virtual(NamedTuple):
    """The virtual tokens of a model: as embeddings, or as keys and values of every layer."""

    length: int
    embeddings: torch.Tensor | None = None
    """(1, length, width), of prompt tuning and p-tuning."""
    cache: DynamicCache | None = None
    """Of prefix tuning."""


def virtual_tokens(model: PreTrainedModel) -> Virtual | None:
    """Return the virtual tokens of a PEFT model, or None where it has none."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning:
        return None
    prompt: Any = model.get_prompt(batch_size=1)
    length = int(config.num_virtual_tokens)
    if isinstance(prompt, torch.Tensor):
        return Virtual(length, embeddings=prompt)
    return Virtual(length, cache=prompt)


def inner_model(model: PreTrainedModel) -> PreTrainedModel:
    """Return the model that virtual tokens are fed to: PEFT's own forward takes no packs."""
    config = getattr(model, "active_peft_config", None)
    if config is None or not config.is_prompt_learning:
        return model
    return model.get_base_model()


def embed(model: PreTrainedModel, virtual: Virtual, input_ids: torch.Tensor) -> dict[str, Any]:
    """Return the model's input: (1, T) token ids behind the virtual tokens."""
    if virtual.embeddings is None:
        return {"input_ids": input_ids, "past_key_values": virtual.cache}
    own = inner_model(model).get_input_embeddings()(input_ids)
    return {"inputs_embeds": torch.cat([virtual.embeddings.to(own.dtype), own], dim=1)}
