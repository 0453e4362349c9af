"""Put another adapter on a model that is in memory, without reading its base again."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from training.model import LoadedModel, evaluating, readable

if TYPE_CHECKING:
    from pathlib import Path


def swap_adapter(loaded: LoadedModel, adapter: Path | None) -> LoadedModel:
    """Put another adapter on a loaded model without reading its base again.

    Args:
        loaded: The model; it is changed, and adapters that it had stay in memory.
        adapter: A PEFT adapter directory; None: the base alone.

    Raises:
        UserError: the directory is no adapter, or is damaged.
    """
    from peft import PeftModel

    model: Any = loaded.model
    if adapter is None:
        if isinstance(model, PeftModel):
            model.base_model.disable_adapter_layers()
        return loaded
    if not (adapter / "adapter_config.json").is_file():
        fix = "give the model/ directory of a completed training run of an adapter"
        raise UserError("this directory holds no adapter", where=str(adapter), fix=fix)
    name = hashlib.sha256(str(adapter.resolve()).encode()).hexdigest()[:16]
    with readable(adapter):
        if not isinstance(model, PeftModel):
            model = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
        elif name not in model.peft_config:
            model.load_adapter(str(adapter), adapter_name=name)
        model.base_model.enable_adapter_layers()
        model.set_adapter(name)
    return LoadedModel(evaluating(model), loaded.tokenizer, loaded.base)
