"""Put another adapter on a model that is in memory, without reading its base again."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from curation.errors import UserError
from training.fingerprint import fingerprint
from training.jobfiles import read_json
from training.model import LoadedModel, evaluating, readable

if TYPE_CHECKING:
    from pathlib import Path


_ANEW = "load the base with it anew, by training.model.load"


def swap_adapter(loaded: LoadedModel, adapter: Path | None) -> LoadedModel:
    """Put another adapter on a loaded model without reading its base again.

    Args:
        loaded: The model; it is changed, and adapters that it had stay in memory.
        adapter: A PEFT adapter directory; None: the base alone.

    Raises:
        UserError: the directory is no adapter, is damaged, or is of another kind than the one before.
    """
    from peft import PeftModel

    model: Any = loaded.model
    if isinstance(model, PeftModel) and model.active_peft_config.is_prompt_learning:
        raise UserError("virtual tokens cannot be swapped", where=str(loaded.base), fix=_ANEW)
    if adapter is None:
        if isinstance(model, PeftModel):
            model.base_model.disable_adapter_layers()
        return loaded
    if not (adapter / "adapter_config.json").is_file():
        fix = "give the model/ directory of a completed training run of an adapter"
        raise UserError("this directory holds no adapter", where=str(adapter), fix=fix)
    config = read_json(adapter / "adapter_config.json")
    kind = config.get("peft_type")
    if isinstance(model, PeftModel) and kind != model.active_peft_config.peft_type:
        problem = f"{kind} cannot take the place of {model.active_peft_config.peft_type.value}"
        raise UserError(problem, where=str(adapter), fix=_ANEW)
    # By content: a retrain writes another adapter to the same place.
    content = fingerprint(adapter) + json.dumps(config, sort_keys=True)
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    with readable(adapter):
        if not isinstance(model, PeftModel):
            model = PeftModel.from_pretrained(model, str(adapter), adapter_name=name)
        elif name not in model.peft_config:
            model.load_adapter(str(adapter), adapter_name=name)
        model.base_model.enable_adapter_layers()
        model.set_adapter(name)
    return LoadedModel(evaluating(model), loaded.tokenizer, loaded.base)
