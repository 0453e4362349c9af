"""Write a trained model, whole or not at all: safetensors and plain text only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from curation.files import new_folder
from training.jobfiles import read_json, write_json
from training.tensors import full_disk

if TYPE_CHECKING:
    from pathlib import Path

    from training.model import LoadedModel
    from training.settings import TrainSettings


def save_model(target: Path, loaded: LoadedModel, settings: TrainSettings) -> None:
    """Write an adapter, or after full fine-tuning the whole model with its tokenizer.

    Args:
        target: The folder to make.
        loaded: The trained model.
        settings: The run's settings.

    Raises:
        UserError: the disk is full, or the place cannot be written to.
    """
    with new_folder(target) as building, full_disk():
        if settings.method == "full":
            loaded.model.save_pretrained(building)
            loaded.tokenizer.save_pretrained(building)
        else:
            _save_adapter(loaded.model, building)


def _save_adapter(model: Any, building: Path) -> None:  # noqa: ANN401 - PEFT's wrapper is untyped
    # Without the embedding check, which would ask the hub about the base model.
    model.save_pretrained(building, save_embedding_layers=False)
    (building / "README.md").unlink(missing_ok=True)
    config = read_json(building / "adapter_config.json")
    # PEFT writes a set in the order of this process's string hashes.
    for name in ("target_modules", "feedforward_modules"):
        if isinstance(config.get(name), list):
            config[name] = sorted(config[name])
    write_json(building / "adapter_config.json", config)
